#include "checkpoint/strided.h"

#include <algorithm>
#include <cstring>

namespace bertcnn::checkpoint {
namespace {

/// Copies `count` elements that lie `stride` elements apart.
template <size_t size>
void copy_row(const std::byte* from, int64_t stride, int64_t count, std::byte* to) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * static_cast<int64_t>(size), from + i * stride * static_cast<int64_t>(size),
                size);
  }
}

using CopyRow = void (*)(const std::byte*, int64_t, int64_t, std::byte*);

CopyRow copy_row_for(size_t element_size) {
  switch (element_size) {
    case 8:
      return copy_row<8>;
    case 4:
      return copy_row<4>;
    case 2:
      return copy_row<2>;
    default:
      return copy_row<1>;
  }
}

}  // namespace

bool StridedView::fits() const {
  if (stride.size() != shape.size() || offset < 0) {
    return false;
  }
  const auto elements = static_cast<int64_t>(storage.size() / element_size);
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
    return offset <= elements;
  }
  int64_t last = offset;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(shape[i] - 1, stride[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return false;
    }
  }
  return last < elements;
}

uint64_t StridedView::element_count() const {
  uint64_t count = 1;
  for (const int64_t length : shape) {
    // An expanded view can have any number of elements; more than 2^64 - 1 count as that many.
    if (length != 0 && __builtin_mul_overflow(count, static_cast<uint64_t>(length), &count)) {
      count = UINT64_MAX;
    }
  }
  return std::find(shape.begin(), shape.end(), 0) == shape.end() ? count : 0;
}

bool StridedView::is_contiguous() const {
  if (element_count() == 0) {
    return true;
  }
  // Does not overflow: as far as the strides agree, the product is a number of elements that fit.
  int64_t expected = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && stride[i] != expected) {
      return false;
    }
    expected *= shape[i];
  }
  return true;
}

std::span<const std::byte> StridedView::contiguous_bytes() const {
  return storage.subspan(static_cast<size_t>(offset) * element_size,
                         element_count() * element_size);
}

std::vector<std::byte> StridedView::gather() const {
  std::vector<std::byte> result(element_count() * element_size);
  const CopyRow copy = copy_row_for(element_size);
  const size_t outer = shape.size() - 1;  // a scalar is contiguous, so there is a last dimension
  std::vector<int64_t> index(outer, 0);
  const auto row_bytes = static_cast<size_t>(shape.back()) * element_size;
  int64_t start = offset;
  for (size_t written = 0; written < result.size(); written += row_bytes) {
    copy(storage.data() + static_cast<size_t>(start) * element_size, stride.back(), shape.back(),
         result.data() + written);
    for (size_t i = outer; i-- > 0;) {
      if (index[i] + 1 < shape[i]) {
        ++index[i];
        start += stride[i];
        break;
      }
      start -= stride[i] * index[i];
      index[i] = 0;
    }
  }
  return result;
}

}  // namespace bertcnn::checkpoint
