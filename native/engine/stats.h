// What an engine counts.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "cuda/host/memory.h"
#include "engine/clock.h"

namespace bertcnn::engine {

/// Sizes of batches by powers of two: `counts[i]` of them were from 2^i to 2^(i+1) - 1.
struct Histogram {
  std::array<int64_t, 40> counts{};

  void add(int64_t size) {
    const auto power = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(size))) - 1;
    ++counts.at(power < counts.size() ? power : counts.size() - 1);
  }
};

/// The hidden states that training with a frozen encoder keeps: what is there now, and how often a
/// row was (hits) or had to be computed (misses) since training was configured.
struct FeatureCacheStats {
  int64_t rows = 0;
  int64_t memory_bytes = 0;
  int64_t file_bytes = 0;
  int64_t hits = 0;
  int64_t misses = 0;
};

/// What a card's memory holds, of the whole process; zeros on the CPU.
using DeviceMemory = cuda::Memory;

/// Counters since the start, of all clients, but for `queued_rows` to `workers`, which are of now.
struct EngineStats {
  int64_t queued_rows = 0;
  int64_t clients = 0;
  int64_t workers = 0;  // threads that predict; 1 where the lead does

  int64_t rows = 0;       // predicted
  int64_t batches = 0;    // predicted
  int64_t tokens = 0;     // predicted
  int64_t steps = 0;      // training steps that succeeded
  int64_t cancelled = 0;  // calls
  int64_t timed_out = 0;  // calls
  int64_t refused = 0;    // calls, because the queue was full
  Histogram batch_rows;
  Histogram batch_tokens;
  FeatureCacheStats feature_cache;  // as of the last step or other barrier
  DeviceMemory memory;              // as of the last batch, step or other barrier

  // Threads that work at the same time add up, so these may outrun the clock on the wall.
  Duration tokenizer_time{};  // turning rows into tokens; 0 where a call is a batch
  Duration queue_time{};      // summed over rows: from the call to the batch that takes the row
  Duration compute_time{};    // summed over batches, failed and abandoned ones too
};

}  // namespace bertcnn::engine
