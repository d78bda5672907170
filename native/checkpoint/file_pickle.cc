#include "checkpoint/file_pickle.h"

#include <algorithm>

namespace bertcnn::checkpoint {

Pickle fetch_pickle(const FileView& file, std::span<const std::byte> part,
                    const std::string& source, size_t memory, uint64_t begin) {
  constexpr uint64_t first_length = uint64_t{64} << 10;
  const auto start = static_cast<uint64_t>(part.data() - file.bytes().data());
  const uint64_t left = part.size() - begin;
  for (uint64_t length = first_length;; length *= 4) {
    const uint64_t size = std::min(length, left);
    file.fetch(start + begin, size);
    try {
      return read_pickle(part.first(begin + size), source, memory, begin);
    } catch (const CutOff& error) {
      // What claims to be longer than all there is must not have all of it read.
      if (size == left || error.end() > part.size()) {
        throw;
      }
    }
  }
}

}  // namespace bertcnn::checkpoint
