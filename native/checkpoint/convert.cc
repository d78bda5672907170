#include <bit>
#include <cstdint>
#include <cstring>

#include "checkpoint/checkpoint.h"
#include "checkpoint/describe.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

float widen_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

/// float16 has 5 bits of exponent (bias 15) and 10 of mantissa, float32 has 8 (bias 127) and 23.
/// Without branches, so that the loop over it is vectorised.
float widen_float16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFFU) << 13;
  // A subnormal is mantissa * 2^-24. Placed in the mantissa of 2^-14 and with 2^-14 taken off again
  // it is that, exactly, and at no point a float32 subnormal, which a processor may be told to
  // flush.
  const uint32_t smallest_normal = 113U << 23;
  const uint32_t subnormal = std::bit_cast<uint32_t>(
      std::bit_cast<float>(magnitude + smallest_normal) - std::bit_cast<float>(smallest_normal));
  const uint32_t normal = magnitude + (112U << 23);
  const uint32_t infinite_or_nan = magnitude | (255U << 23);
  uint32_t result = magnitude < (1U << 23) ? subnormal : normal;
  result = magnitude >= (31U << 23) ? infinite_or_nan : result;
  return std::bit_cast<float>(sign | result);
}

float round_float64(double number) {
  return static_cast<float>(number);
}

template <typename Stored, float (*convert)(Stored)>
void convert_all(const Tensor& tensor, float* out) {
  const std::byte* const bytes = tensor.bytes.data();
  const auto count = static_cast<size_t>(tensor.numel());
  for (size_t i = 0; i < count; ++i) {
    Stored stored;  // the bytes may not be aligned
    std::memcpy(&stored, bytes + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(stored);
  }
}

}  // namespace

void copy_as_float32(const Tensor& tensor, float* out) {
  switch (tensor.dtype) {
    case DType::float32:
      if (!tensor.bytes.empty()) {
        std::memcpy(out, tensor.bytes.data(), tensor.bytes.size());
      }
      return;
    case DType::float16:
      return convert_all<uint16_t, widen_float16>(tensor, out);
    case DType::bfloat16:
      return convert_all<uint16_t, widen_bfloat16>(tensor, out);
    case DType::float64:
      return convert_all<double, round_float64>(tensor, out);
    default:
      fail("ERR_CHECKPOINT_MISMATCH", "the tensor ", quoted(tensor.name), " is ",
           name_of(tensor.dtype), ", where a floating-point type is needed");
  }
}

}  // namespace bertcnn::checkpoint
