// One model's queue and threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "engine/batcher.h"
#include "engine/call.h"
#include "engine/compute.h"
#include "engine/requests.h"
#include "engine/threads.h"

namespace bertcnn::engine {

struct EngineOptions {
  int64_t max_batch_tokens = 1024;  // of one batch; a longer row is a batch of its own
  int64_t max_queue_rows = 0;       // that may wait; 0: any number
  Threads threads;
};

/// Counters since the start, and the queue's depth now.
struct EngineStats {
  int64_t queued_rows = 0;
  int64_t rows = 0;       // predicted
  int64_t batches = 0;    // predicted
  int64_t tokens = 0;     // predicted
  int64_t steps = 0;      // training steps that succeeded
  int64_t cancelled = 0;  // calls
  int64_t refused = 0;    // calls, because the queue was full
};

/// Owns a Compute and the threads that use it: a lead, on which the Compute is made, changed and
/// destroyed, and as many workers as `Threads` says, which only predict.
///
/// Predictions are batched greedily: whenever a thread is free it takes rows that wait, in turn
/// among the calls of the highest priority, up to `max_batch_tokens`, and no more than its share
/// where other threads are free, too. `train` and `run` are barriers: predictions asked for before
/// see the old weights, later ones the new.
///
/// Members may be called from any thread. Every callback is called exactly once and never under the
/// engine's lock: from one of the engine's threads, or from within `cancel`, `dispose` or the call
/// itself where that settles it. Callbacks must not throw, and must not destroy the engine. They
/// fail with an Error: whatever else a Compute throws arrives as ERR_OUT_OF_MEMORY or ERR_INTERNAL.
class Engine {
 public:
  /// May ask whether the engine was disposed meanwhile, and then throw.
  using Factory = std::function<std::unique_ptr<Compute>(const CancelCheck& cancelled)>;

  /// Starts the lead, which calls `factory` and then `started`. Calls may be queued at once. If
  /// the factory throws they fail as `started` does, and the engine ends.
  Engine(const EngineOptions& options, Factory factory, std::function<void(Failure)> started);
  /// Disposes, and waits for the threads: for one layer of the running batches, one weight that is
  /// being loaded, or the end of a running task.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Predicts every row of `input`; no rows give an empty result at once. Higher priorities go
  /// first. Fails with ERR_QUEUE_FULL, ERR_CANCELLED, ERR_DISPOSED, or what the Compute throws for
  /// this call's rows.
  void predict(CallId id, Input input, int64_t priority,
               std::function<void(Failure, Prediction&&)> callback);

  /// One training step. Fails as `predict` does; then no weight has changed.
  void train(CallId id, TrainRequest request, std::function<void(Failure, StepResult&&)> callback);

  /// Runs `task` on the lead as a barrier: saving, loading, configuring.
  void run(std::function<void(Compute&)> task, std::function<void(Failure)> callback);

  /// Drops the call: its callback gets ERR_CANCELLED before this returns true, and its rows are
  /// taken out of the queue. A running batch stops between layers once nobody waits for it. False:
  /// too late. The call is done, or is a training step that runs: that one is asked to stop and
  /// then ends with ERR_CANCELLED and no weight changed, or with its result, so that the caller
  /// knows which.
  bool cancel(CallId id);

  /// Ends the engine without waiting: what is queued or predicted fails with ERR_DISPOSED at once,
  /// as all later calls do; a running training step is asked to stop. Then, when the Compute is
  /// destroyed, `disposed` is called, and the destructor returns promptly.
  void dispose(std::function<void()> disposed = {});

  EngineStats stats() const;

 private:
  struct Batch;
  using OpenCall = std::variant<std::shared_ptr<PredictCall>, std::shared_ptr<BarrierCall>>;

  // On the lead.
  void lead(const Factory& factory, const std::function<void(Failure)>& started);
  bool load(const Factory& factory, const std::function<void(Failure)>& started);
  void start_workers();
  bool wait_to_lead();
  std::shared_ptr<BarrierCall> take_barrier();
  void run_barrier(BarrierCall& barrier);
  void end();

  // On a worker.
  void work();
  int64_t wait_to_work();

  // On either.
  void predict(int64_t share);
  std::shared_ptr<PredictCall> take_call(int64_t share);
  void predict_call(const std::shared_ptr<PredictCall>& call);
  Batch gather(int64_t share);
  std::optional<TakenRow> take_row(Batch& batch);
  bool add_row(Batch& batch, TakenRow row);
  void give_back(TakenRow row);
  void finish_gathering(Batch& batch);
  void predict_batch(const Batch& batch);
  void count_batch(int64_t rows, int64_t tokens);
  void finish_rows(const Batch& batch);

  // On any thread.
  void push(std::shared_ptr<BarrierCall> barrier);
  void settle(const std::shared_ptr<PredictCall>& call, const Failure& failure);
  void close(const Failure& failure);
  bool closed() const;
  bool on_own_thread() const;

  // Under the lock.
  Failure refusal(std::optional<CallId> id, int64_t rows);
  bool mark_settled(PredictCall& call);
  int64_t waiting();
  bool is_for_lead();
  bool lead_may_start();
  bool worker_may_start();
  std::condition_variable* next_to_wake();

  const EngineOptions options_;
  // Made by the lead before there are workers, destroyed after their end.
  std::unique_ptr<Compute> compute_;
  std::vector<std::thread> workers_;  // touched by the lead only

  mutable std::mutex mutex_;  // guards everything below, and what the queue changes in calls
  std::condition_variable lead_wake_;
  std::condition_variable worker_wake_;
  Batcher queue_;
  std::map<CallId, OpenCall> open_;  // not settled yet
  EngineStats stats_;
  int64_t labels_ = 0;  // 0 until the Compute is there
  bool call_is_batch_ = false;
  bool lead_is_busy_ = true;  // at first with loading
  int64_t worker_count_ = 0;
  int64_t busy_workers_ = 0;
  int64_t promised_ = 0;  // waiting rows, or calls, that workers are about to take
  bool closed_ = false;   // takes no more calls; the threads end
  bool stopped_ = false;  // the Compute is gone
  std::vector<std::function<void()>> disposed_;

  std::thread thread_;  // the lead; last: starts when all else is there
};

}  // namespace bertcnn::engine
