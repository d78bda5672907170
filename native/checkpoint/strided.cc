#include "checkpoint/strided.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bertcnn::checkpoint {
namespace {

bool is_empty(std::span<const int64_t> shape) {
  return std::find(shape.begin(), shape.end(), 0) != shape.end();
}

/// A dimension, with the distance of its elements in the storage and in row-major order.
struct Dimension {
  int64_t length;
  int64_t from_step;
  int64_t to_step;
};

/// Those that have several elements, the ones furthest apart in the storage first.
std::vector<Dimension> by_distance(std::span<const int64_t> shape,
                                   std::span<const int64_t> stride) {
  std::vector<Dimension> dimensions;
  int64_t to_step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] > 1) {
      dimensions.push_back({shape[i], stride[i], to_step});
      to_step *= shape[i];
    }
  }
  std::stable_sort(
      dimensions.begin(), dimensions.end(),
      [](const Dimension& a, const Dimension& b) { return a.from_step > b.from_step; });
  return dimensions;
}

template <size_t size>
void pack_sized(const std::byte* from, int64_t step, int64_t count, std::byte* to) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(to + i * static_cast<int64_t>(size), from + i * step * static_cast<int64_t>(size),
                size);
  }
}

}  // namespace

bool StridedView::fits() const {
  if (stride.size() != shape.size() || offset < 0) {
    return false;
  }
  const auto elements = static_cast<int64_t>(storage.size() / element_size);
  if (is_empty(shape)) {
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

bool StridedView::is_contiguous() const {
  if (is_empty(shape)) {
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

bool StridedView::repeats() const {
  if (is_empty(shape)) {
    return false;
  }
  std::vector<std::pair<int64_t, int64_t>> dimensions;  // stride, length
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] > 1) {
      dimensions.emplace_back(stride[i], shape[i]);
    }
  }
  std::sort(dimensions.begin(), dimensions.end());
  int64_t reach = 0;  // of the dimensions with smaller strides
  for (const auto& [step, length] : dimensions) {
    if (step <= reach) {
      return true;
    }
    reach += step * (length - 1);
  }
  return false;
}

std::span<const std::byte> StridedView::extent() const {
  const auto first = storage.subspan(static_cast<size_t>(offset) * element_size);
  if (is_empty(shape)) {
    return first.first(0);
  }
  int64_t last = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    last += (shape[i] - 1) * stride[i];
  }
  return first.first((static_cast<size_t>(last) + 1) * element_size);
}

void for_each_run(std::span<const int64_t> shape, std::span<const int64_t> stride, int64_t most,
                  int64_t longest, const std::function<void(const Run&)>& use) {
  std::vector<Dimension> outer = by_distance(shape, stride);
  const Dimension inner = outer.empty() ? Dimension{1, 1, 1} : outer.back();
  if (!outer.empty()) {
    outer.pop_back();
  }
  const int64_t most_here = std::clamp<int64_t>(longest / inner.from_step, 1, most);
  std::vector<int64_t> index(outer.size(), 0);
  int64_t from = 0;
  int64_t to = 0;
  const auto advance = [&] {
    for (size_t i = outer.size(); i-- > 0;) {
      from += outer[i].from_step;
      to += outer[i].to_step;
      if (++index[i] < outer[i].length) {
        return true;
      }
      from -= outer[i].from_step * outer[i].length;
      to -= outer[i].to_step * outer[i].length;
      index[i] = 0;
    }
    return false;
  };
  do {
    for (int64_t first = 0; first < inner.length; first += most_here) {
      use({from + first * inner.from_step, inner.from_step, to + first * inner.to_step,
           inner.to_step, std::min(most_here, inner.length - first)});
    }
  } while (advance());
}

void pack(const std::byte* from, int64_t step, int64_t count, size_t element_size, std::byte* to) {
  switch (element_size) {
    case 8:
      return pack_sized<8>(from, step, count, to);
    case 4:
      return pack_sized<4>(from, step, count, to);
    case 2:
      return pack_sized<2>(from, step, count, to);
    default:
      return pack_sized<1>(from, step, count, to);
  }
}

}  // namespace bertcnn::checkpoint
