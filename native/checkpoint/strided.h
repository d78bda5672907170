// A tensor as PyTorch lays it over a storage: size, stride and offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bertcnn::checkpoint {

/// Element [i, j, ...] is the storage's element `offset + i * stride[0] + j * stride[1] + ...`.
struct StridedView {
  std::span<const std::byte> storage;
  size_t element_size = 1;
  int64_t offset = 0;
  std::vector<int64_t> shape;   // none negative
  std::vector<int64_t> stride;  // in elements, none negative

  /// Whether there is a stride for every length and every element lies within the storage. Without
  /// overflow for any numbers; the other functions may be called only where it holds.
  bool fits() const;
  uint64_t element_count() const;
  /// Whether the elements lie one after another in row-major order.
  bool is_contiguous() const;
  /// The bytes of a contiguous view, in the storage.
  std::span<const std::byte> contiguous_bytes() const;
  /// The elements copied in row-major order.
  std::vector<std::byte> gather() const;
};

}  // namespace bertcnn::checkpoint
