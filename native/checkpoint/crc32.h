// The checksum of zip files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace bertcnn::checkpoint {

/// CRC-32 as in ISO 3309 (reflected polynomial 0xEDB88320), of all `bytes`.
uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace bertcnn::checkpoint
