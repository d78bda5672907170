// A tensor as PyTorch lays it over a storage: size, stride and offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
  /// Whether the elements lie one after another in row-major order.
  bool is_contiguous() const;
  /// Whether elements share their places, as those of an expanded tensor do. Dimensions that lie
  /// between each other's elements count as well, even where no place is shared.
  bool repeats() const;
  /// The storage's bytes from the first element to the last: all of a contiguous view, and only
  /// those.
  std::span<const std::byte> extent() const;
};

/// Elements at one distance from each other, both in the storage and in row-major order. All
/// counted in elements, from the tensor's first one on.
struct Run {
  int64_t from;  // in the storage
  int64_t from_step;
  int64_t to;  // in row-major order
  int64_t to_step;
  int64_t count;
};

/// Calls `use` with runs that make up all of a tensor that does not repeat, in the order in which
/// they lie in its storage. None has more than `most` elements, or reaches over more than `longest`
/// of the storage.
void for_each_run(std::span<const int64_t> shape, std::span<const int64_t> stride, int64_t most,
                  int64_t longest, const std::function<void(const Run&)>& use);

/// Copies `count` elements of `element_size` bytes, `step` elements apart, to where they lie one
/// after another.
void pack(const std::byte* from, int64_t step, int64_t count, size_t element_size, std::byte* to);

}  // namespace bertcnn::checkpoint
