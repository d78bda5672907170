// One model's queue and threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <variant>
#include <vector>

#include "engine/batcher.h"
#include "engine/call.h"
#include "engine/clock.h"
#include "engine/compute.h"
#include "engine/requests.h"
#include "engine/stats.h"
#include "engine/threads.h"

namespace bertcnn::engine {

struct EngineOptions {
  /// Of one batch; a longer row is a batch of its own. Unset: as the Compute would have it.
  std::optional<int64_t> max_batch_tokens;
  int64_t max_queue_rows = 0;  // that may wait; 0: any number
  /// How long a batch that could hold more waits for more, counted from the arrival of its oldest
  /// row. Not where a call is a batch.
  Duration max_queue_delay{};
  /// How long rows wait before they get every second batch whatever their priority.
  Duration max_priority_age = std::chrono::seconds(1);
  Threads threads;
  std::shared_ptr<Clock> clock = std::make_shared<Clock>();
};

/// Owns a Compute and the threads that use it: a lead, on which the Compute is made, changed and
/// destroyed, and as many workers as `Threads` says, which only predict.
///
/// Predictions are batched greedily: whenever a thread is free it takes rows that wait, in turn
/// among the calls of the highest priority, up to `max_batch_tokens`, and no more than its share
/// where other threads are free, too. `train`, `run` and `warm_up` are barriers: predictions asked
/// for before see the old weights, later ones the new.
///
/// Calls belong to clients; there is one at first, 0. The engine ends with its last client.
///
/// Members may be called from any thread. Every callback is called exactly once and never under the
/// engine's lock: from one of the engine's threads, or from within `cancel`, `detach`, `dispose` or
/// the call itself where that settles it. Callbacks must not throw, and must not destroy the
/// engine. They fail with an Error: whatever else a Compute throws arrives as ERR_OUT_OF_MEMORY or
/// ERR_INTERNAL. Without memory, a member either throws and has done nothing, or its callback gets
/// ERR_OUT_OF_MEMORY; the threads go on.
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
  /// `more_follow`: no thread is woken for it, since the caller has more to ask for, and then calls
  /// `wake`: what is asked for together shall be taken together.
  void predict(CallId id, Input input, int64_t priority,
               std::function<void(Failure, Prediction&&)> callback, bool more_follow = false);
  void wake();

  /// One training step. Fails as `predict` does; then no weight has changed.
  void train(CallId id, TrainRequest request, std::function<void(Failure, StepResult&&)> callback);

  /// What is computed on the lead as a barrier. It may stop once the check says that nobody waits.
  using Task = std::function<void(Compute&, const CancelCheck& cancelled)>;
  /// Runs `task`: saving, loading, configuring, explaining.
  void run(Task task, std::function<void(Failure)> callback, ClientId client = 0);

  /// Has every thread predict made-up batches, of a short text, a long one and as many tokens as a
  /// batch may hold: what is set up at first use is then there. They are not counted.
  void warm_up(std::function<void(Failure)> callback, ClientId client = 0);

  /// Drops the call: its callback gets ERR_CANCELLED before this returns true, and its rows are
  /// taken out of the queue. A running batch stops between layers once nobody waits for it. False:
  /// too late. The call is done, or is a training step that runs: that one is asked to stop and
  /// then ends with ERR_CANCELLED and no weight changed, or with its result, so that the caller
  /// knows which. `timed_out` only says how to count it.
  bool cancel(CallId id, bool timed_out = false);

  /// One client more. Nothing: the engine has ended.
  std::optional<ClientId> attach();

  /// Ends a client: its calls that are queued or predicted fail with ERR_DISPOSED at once, its
  /// running training step is asked to stop. `detached` is called when nothing of it runs any more;
  /// for the last client that is when the engine has ended, as by `dispose`. An unknown client is
  /// one that is gone already.
  void detach(ClientId client, std::function<void()> detached = {});

  /// Ends the engine without waiting: what is queued or predicted fails with ERR_DISPOSED at once,
  /// as all later calls do; a running training step is asked to stop. Then, when the Compute is
  /// destroyed, `disposed` is called, and the destructor returns promptly.
  void dispose(std::function<void()> disposed = {});

  EngineStats stats() const;

 private:
  struct Batch;
  using OpenCall = std::variant<std::shared_ptr<PredictCall>, std::shared_ptr<BarrierCall>>;

  /// That nothing is done until `until` unless more arrives.
  struct Patience {
    TimePoint until;
    int64_t arrivals;
  };

  // On any thread; engine.cc.
  void push(const std::shared_ptr<BarrierCall>& barrier);
  void settle(const std::shared_ptr<PredictCall>& call, const Failure& failure);
  void drop_calls(const std::optional<ClientId>& client, const Failure& failure) noexcept;
  void close(const Failure& failure);
  bool closed() const;
  bool on_own_thread() const;

  // Under the lock; engine.cc.
  Failure refusal(const std::optional<CallId>& id, ClientId client, int64_t rows);
  template <typename Call>
  void queue(const std::optional<CallId>& id, const std::shared_ptr<Call>& call);
  bool mark_settled(PredictCall& call);
  std::shared_ptr<PredictCall> settle_prediction(const std::optional<ClientId>& client,
                                                 const CallId& after);

  // On the lead; engine_threads.cc.
  void lead(const Factory& factory, const std::function<void(Failure)>& started);
  bool load(const Factory& factory, const std::function<void(Failure)>& started);
  void start_workers();
  bool wait_to_lead();
  std::shared_ptr<BarrierCall> take_barrier();
  void run_barrier(const std::shared_ptr<BarrierCall>& barrier);
  void finish_barrier(const std::shared_ptr<BarrierCall>& barrier, Failure failure);
  void warm_all(const CancelCheck& cancelled);
  void end();

  // On a worker; engine_threads.cc.
  void work();
  bool prepare_worker();
  int64_t wait_to_work(int64_t& warm_ups);
  void warm_worker();

  // Whose turn it is; under the lock; engine_threads.cc.
  int64_t waiting();
  bool is_patient();
  bool is_for_lead();
  bool lead_may_start();
  bool worker_may_start();
  std::condition_variable* next_to_wake();
  void wake_next();
  template <typename MayStart>
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& wake, MayStart may_start);

  // On the lead or a worker; engine_batches.cc.
  void predict(int64_t share);
  std::shared_ptr<PredictCall> take_call(int64_t share);
  void predict_call(const std::shared_ptr<PredictCall>& call);
  Batch gather(int64_t share);
  std::optional<TakenRow> take_row(Batch& batch);
  bool add_row(Batch& batch, TakenRow row);
  void give_back(TakenRow& row);
  void finish_gathering(Batch& batch);
  bool is_worth_waiting(const Batch& batch);
  void wait_for_more(Batch& batch);
  void predict_batch(Batch& batch);
  void finish_batch(Batch& batch, Duration time, const Failure& failure);
  void count_batch(int64_t rows, int64_t tokens);
  void warm(const CancelCheck& cancelled);
  void warm_with(const std::vector<TokenRow>& rows, const CancelCheck& cancelled);

  const EngineOptions options_;
  // Made by the lead before there are workers, destroyed after their end.
  std::unique_ptr<Compute> compute_;
  std::vector<std::thread> workers_;  // touched by the lead only

  mutable std::mutex mutex_;  // guards everything below, and what the queue changes in calls
  std::condition_variable lead_wake_;
  std::condition_variable worker_wake_;
  Batcher queue_;
  int64_t arrivals_ = 0;  // calls that were ever queued
  std::optional<Patience> patience_;
  std::map<CallId, OpenCall> open_;  // not settled yet
  std::shared_ptr<BarrierCall> running_;
  std::set<ClientId> clients_ = {0};
  ClientId next_client_ = 1;
  EngineStats stats_;
  int64_t labels_ = 0;  // 0 until the Compute is there
  bool call_is_batch_ = false;
  int64_t max_batch_tokens_ = 0;
  bool lead_is_busy_ = true;  // at first with loading
  int64_t worker_count_ = 0;
  int64_t busy_workers_ = 0;
  int64_t promised_ = 0;      // waiting rows, or calls, that workers are about to take
  int64_t warm_ups_ = 0;      // that workers were asked for
  int64_t cold_workers_ = 0;  // that have not done the last one
  Failure warm_up_failure_;
  bool closed_ = false;   // takes no more calls; the threads end
  bool stopped_ = false;  // the Compute is gone
  std::vector<std::function<void()>> disposed_;

  std::thread thread_;  // the lead
};

}  // namespace bertcnn::engine
