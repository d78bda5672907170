#pragma once

#include <cstdint>

namespace bertcnn::cuda {

/// What libtorch's allocator holds of a card's memory, in bytes.
struct Memory {
  int64_t allocated = 0;  // by tensors
  int64_t reserved = 0;   // of the card, to serve tensors from
  int64_t peak = 0;       // the most that tensors have had at once
};

}  // namespace bertcnn::cuda
