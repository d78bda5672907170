// The pickle inside a PyTorch file, without the container, so that every input reaches its reader.
#include "checkpoint/pickle.h"

#include <map>

#include "../checkpoint.h"
#include "checkpoint/state_dict.h"

namespace bertcnn::fuzz {
namespace {

using checkpoint::Contents;
using checkpoint::Pickle;
using checkpoint::StorageId;

/// Gives any storage that is small enough, filled with zeros. Each has a place of its own, so that
/// the sanitizer sees a byte that is read behind it.
class Storages {
 public:
  std::span<const std::byte> find(const StorageId& id, const std::string& owner) {
    constexpr size_t most = 4096;
    const auto size = checkpoint::byte_count(id.dtype, std::span(&id.elements, 1));
    if (!size || *size > most) {
      fail("ERR_CHECKPOINT_FORMAT", owner, ": no such storage");
    }
    std::vector<std::byte>& bytes = by_size_[*size];
    bytes.resize(*size);
    return bytes;
  }

 private:
  std::map<uint64_t, std::vector<std::byte>> by_size_;
};

void check_indices(const Pickle& pickle) {
  require(pickle.root < pickle.values.size(), "the root is a value");
  for (const checkpoint::PickleValue& value : pickle.values) {
    for (const uint32_t item : value.items) {
      require(item < pickle.values.size(), "an item is a value");
    }
  }
}

void check(std::span<const std::byte> bytes) {
  const size_t memory = checkpoint::pickle_memory(bytes.size());
  Pickle pickle;
  const bool is_pickle = reads({"ERR_CHECKPOINT_FORMAT"}, [&] {
    const MemoryLimit limit(3 * memory);
    pickle = checkpoint::read_pickle(bytes, file_name, memory);
  });
  if (!is_pickle) {
    return;
  }
  check_indices(pickle);
  require(pickle.end <= bytes.size(), "the pickle ends in the file");
  Storages storages;
  Contents contents;
  reads({"ERR_CHECKPOINT_FORMAT"}, [&] {
    const MemoryLimit limit(memory);
    const auto find_storage = [&storages](const StorageId& id, const std::string& owner) {
      return storages.find(id, owner);
    };
    checkpoint::read_state_dict(pickle, find_storage, file_name, contents);
  });
  for (const checkpoint::Tensor& tensor : contents.tensors) {
    check_tensor(tensor);
  }
}

}  // namespace
}  // namespace bertcnn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bertcnn::fuzz::check(bertcnn::fuzz::bytes_of(data, size));
  return 0;
}
