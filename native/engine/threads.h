// How many threads an engine has and how many an operation on each of them may use.
#pragma once

#include <cstdint>

namespace bertcnn::engine {

/// An engine's lead thread makes the Compute, trains, loads and saves. Predictions are computed by
/// the lead alone (latency: every core works on one batch), or by workers beside it (throughput: a
/// batch each, without waiting for each other between operations).
struct Threads {
  int64_t lead = 1;        // that an operation of the lead may use
  int64_t workers = 0;     // threads beside the lead
  int64_t per_worker = 1;  // that an operation of a worker may use
  /// Whether the lead predicts, too: where fewer rows wait than there are workers, so that some of
  /// these would have nothing to do. It then computes alone.
  bool adaptive = false;

  /// The lead alone.
  static Threads one(int64_t threads) { return {.lead = threads}; }
  /// `workers` batches at once, each with `per_worker` threads.
  static Threads several(int64_t workers, int64_t per_worker) {
    if (workers == 1) return one(per_worker);
    return {.lead = workers * per_worker, .workers = workers, .per_worker = per_worker};
  }
  /// All cores on one batch, or one on each of several, by what waits.
  static Threads automatic(int64_t cores) {
    Threads threads = several(cores, 1);
    threads.adaptive = cores > 1;
    return threads;
  }
};

}  // namespace bertcnn::engine
