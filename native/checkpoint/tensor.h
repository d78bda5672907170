// What a checkpoint is made of: named arrays of bytes with an element type and a shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bertcnn::checkpoint {

/// The element types that are read and written. Every other one is refused by its name.
enum class DType { float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, boolean };

/// Bytes an element takes.
size_t size_of(DType dtype);
/// The name for messages: "float32".
std::string_view name_of(DType dtype);
bool is_floating_point(DType dtype);

/// A file whose tensors have more is refused (PyTorch's own limit).
inline constexpr size_t most_dimensions = 64;

struct OpenFile;

/// One named array. It does not own its bytes: a Checkpoint, or whoever made the tensor, does.
struct Tensor {
  std::string name;
  DType dtype = DType::float32;
  /// Empty for a scalar.
  std::vector<int64_t> shape;
  /// Contiguous, row-major, little-endian, `numel() * size_of(dtype)` of them, unless there is a
  /// `stride`. A file decides where they start, so they may not be aligned to the element: copy, do
  /// not cast.
  std::span<const std::byte> bytes;
  /// The file that the bytes are in, and where they start in it: then `bytes` are places alone, and
  /// what is there must be read by `copy_as_float32`. Null where they are in memory.
  std::shared_ptr<const OpenFile> file = nullptr;
  uint64_t offset = 0;
  /// Of a transposed or sliced tensor in a PyTorch file, how far apart the elements of each
  /// dimension lie, in elements; `bytes` are then those from the first element to the last. Empty
  /// for a contiguous one.
  std::vector<int64_t> stride = {};

  /// The number of elements: the product of `shape`, 1 for a scalar.
  int64_t numel() const;
};

/// Bytes that `shape` takes; nothing where a length is negative or the product passes 64 bits.
std::optional<uint64_t> byte_count(DType dtype, std::span<const int64_t> shape);

/// Names and values that a safetensors file carries beside its tensors, in file order.
using Metadata = std::vector<std::pair<std::string, std::string>>;

}  // namespace bertcnn::checkpoint
