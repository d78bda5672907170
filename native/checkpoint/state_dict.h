// From a pickle that torch.save wrote to the tensors of the state dict in it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "checkpoint/contents.h"
#include "checkpoint/pickle.h"
#include "checkpoint/tensor.h"

namespace bertcnn::checkpoint {

/// The names of torch's storage types, in the order of DType.
inline constexpr std::array<std::string_view, 10> storage_names = {
    "DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage",
    "IntStorage",    "ShortStorage", "CharStorage", "ByteStorage",     "BoolStorage"};

/// What a persistent id says of a storage: ("storage", type, key, location, elements).
struct StorageId {
  DType dtype = DType::float32;
  std::string_view key;  // lies in the pickle
  int64_t elements = 0;
};

/// Reads the persistent id `value`. `owner` stands before the reason in the error:
/// `ERR_CHECKPOINT_FORMAT`.
StorageId read_storage_id(const Pickle& pickle, const PickleValue& value, const std::string& owner);

/// The bytes of the storage that a tensor lies in, as many as its id says. `owner` as above.
using FindStorage =
    std::function<std::span<const std::byte>(const StorageId& storage, const std::string& owner)>;

/// What values of a pickle in a file of `file_size` bytes may take. A value takes more memory than
/// its opcodes do in the file, but a model has few of them.
inline size_t pickle_memory(size_t file_size) {
  constexpr size_t always_allowed = size_t{64} << 20;
  return always_allowed + file_size;
}

/// The tensors of the state dict that `pickle` holds, either itself or under `state_dict`,
/// `model_state_dict` or `model`. They keep their storages' bytes, shared or not. `path` is for
/// messages. Errors: `ERR_CHECKPOINT_FORMAT`.
void read_state_dict(const Pickle& pickle, const FindStorage& find_storage, const std::string& path,
                     Contents& contents);

}  // namespace bertcnn::checkpoint
