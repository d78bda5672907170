#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/describe.h"
#include "checkpoint/mapped_file.h"
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

/// Hands `use` the bytes in pieces of whole elements. Those of a file are read, not looked at where
/// they are mapped: should somebody cut the file short, that is an error and not the process's end.
template <typename Use>
void for_each_piece(const Tensor& tensor, Use&& use) {
  if (tensor.file == nullptr) {
    use(tensor.bytes);
    return;
  }
  constexpr size_t longest_piece = size_t{1} << 20;
  std::vector<std::byte> buffer(std::min(longest_piece, tensor.bytes.size()));
  for (size_t done = 0; done < tensor.bytes.size();) {
    const auto piece = std::span(buffer).first(std::min(buffer.size(), tensor.bytes.size() - done));
    read_at(*tensor.file, tensor.offset + done, piece);
    use(std::span<const std::byte>(piece));
    done += piece.size();
  }
}

template <typename Stored, float (*convert)(Stored)>
void convert_all(const Tensor& tensor, float* out) {
  for_each_piece(tensor, [&](std::span<const std::byte> bytes) {
    const size_t count = bytes.size() / sizeof(Stored);
    for (size_t i = 0; i < count; ++i) {
      Stored stored;  // the bytes may not be aligned
      std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
      out[i] = convert(stored);
    }
    out += count;
  });
}

void copy_all(const Tensor& tensor, float* out) {
  if (tensor.file != nullptr) {
    const auto count = static_cast<size_t>(tensor.numel());
    read_at(*tensor.file, tensor.offset, std::as_writable_bytes(std::span(out, count)));
  } else if (!tensor.bytes.empty()) {
    std::memcpy(out, tensor.bytes.data(), tensor.bytes.size());
  }
}

}  // namespace

void copy_as_float32(const Tensor& tensor, float* out) {
  switch (tensor.dtype) {
    case DType::float32:
      return copy_all(tensor, out);
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
