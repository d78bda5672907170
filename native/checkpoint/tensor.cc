#include "checkpoint/tensor.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

namespace bertcnn::checkpoint {
namespace {

struct Kind {
  std::string_view name;
  size_t size;
};

// In the order of DType.
constexpr std::array<Kind, 10> kinds = {{{"float64", 8},
                                         {"float32", 4},
                                         {"float16", 2},
                                         {"bfloat16", 2},
                                         {"int64", 8},
                                         {"int32", 4},
                                         {"int16", 2},
                                         {"int8", 1},
                                         {"uint8", 1},
                                         {"boolean", 1}}};

}  // namespace

size_t size_of(DType dtype) {
  return kinds[static_cast<size_t>(dtype)].size;
}

std::string_view name_of(DType dtype) {
  return kinds[static_cast<size_t>(dtype)].name;
}

bool is_floating_point(DType dtype) {
  return dtype <= DType::bfloat16;
}

std::optional<uint64_t> byte_count(DType dtype, std::span<const int64_t> shape) {
  if (std::any_of(shape.begin(), shape.end(), [](int64_t length) { return length < 0; })) {
    return std::nullopt;
  }
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
    return 0;
  }
  uint64_t count = size_of(dtype);
  for (const int64_t length : shape) {
    if (__builtin_mul_overflow(count, static_cast<uint64_t>(length), &count)) {
      return std::nullopt;
    }
  }
  return count;
}

int64_t Tensor::numel() const {
  if (stride.empty()) {
    // From the bytes, since the product of a shape like [2^40, 2^40, 0] overflows on its way to
    // zero.
    return static_cast<int64_t>(bytes.size() / size_of(dtype));
  }
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace bertcnn::checkpoint
