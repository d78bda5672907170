// How many of the waiting rows a thread may take into a batch.
#pragma once

#include <cstdint>
#include <limits>

namespace bertcnn::engine {

/// The share of a thread that takes as many rows as a batch holds.
constexpr int64_t kEverything = std::numeric_limits<int64_t>::max();

}  // namespace bertcnn::engine
