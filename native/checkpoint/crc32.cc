#include "checkpoint/crc32.h"

#include <array>

#include "checkpoint/little_endian.h"

namespace bertcnn::checkpoint {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

/// Table k holds the effect of a byte that k more bytes follow, so that eight bytes are taken at a
/// time
/// ("slicing by 8", Kounavis and Berry 2005): a checksum byte by byte would be slower than a disk.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    tables[0][byte] = value;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFFU];
    }
  }
  return tables;
}

constexpr Tables tables = make_tables();

}  // namespace

uint32_t crc32(std::span<const std::byte> bytes) {
  uint32_t checksum = 0xFFFFFFFF;
  while (bytes.size() >= 8) {
    const uint64_t word = read_number<uint64_t>(bytes, 0) ^ checksum;
    checksum = 0;
    for (size_t i = 0; i < 8; ++i) {
      checksum ^= tables[7 - i][(word >> (8 * i)) & 0xFFU];
    }
    bytes = bytes.subspan(8);
  }
  for (const std::byte byte : bytes) {
    checksum = (checksum >> 8) ^ tables[0][(checksum ^ std::to_integer<uint32_t>(byte)) & 0xFFU];
  }
  return ~checksum;
}

}  // namespace bertcnn::checkpoint
