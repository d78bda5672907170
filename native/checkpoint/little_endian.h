// Whole numbers as the file formats hold them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace bertcnn::checkpoint {

static_assert(std::endian::native == std::endian::little,
              "tensors are handed over as the little-endian bytes of the file");

/// The number at `offset`, which the caller has checked: `offset + sizeof(Number) <= bytes.size()`.
template <typename Number>
Number read_number(std::span<const std::byte> bytes, size_t offset) {
  Number number;
  std::memcpy(&number, bytes.data() + offset, sizeof(number));
  return number;
}

/// Whether `length` bytes from `offset` on lie within `size` bytes; no sum overflows.
inline bool lies_within(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

}  // namespace bertcnn::checkpoint
