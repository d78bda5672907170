#include "engine/engine.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "engine/failure.h"
#include "error.h"

namespace bertcnn::engine {
namespace {

Failure disposed_failure() {
  return make_failure("ERR_DISPOSED", "The model is disposed: load it again to use it");
}

Failure cancelled_failure() {
  return make_failure("ERR_CANCELLED", "The call was cancelled");
}

/// The share of a thread that takes as many rows as a batch holds.
constexpr int64_t kEverything = std::numeric_limits<int64_t>::max();

/// The engine that this thread belongs to.
thread_local const Engine* own_engine = nullptr;

int64_t length_of(const TokenRow& row) {
  return static_cast<int64_t>(row.input_ids.size());
}

/// Room for the results of all rows of a call.
Prediction make_prediction(const Compute& compute, int64_t rows) {
  Prediction prediction;
  prediction.rows = rows;
  prediction.labels = compute.labels();
  const auto size = static_cast<size_t>(rows * prediction.labels);
  prediction.logits.resize(size);
  if (compute.has_probabilities()) prediction.probabilities.resize(size);
  prediction.truncated.resize(static_cast<size_t>(rows));
  return prediction;
}

}  // namespace

/// Rows of one priority that are predicted together: lower ones would make the higher wait for
/// their rows, too.
struct Engine::Batch {
  struct Row {
    std::shared_ptr<PredictCall> call;
    int64_t row;
    TokenRow tokens;
  };
  int64_t share;  // rows that it may still take
  std::optional<int64_t> priority;
  std::vector<Row> rows;
  int64_t tokens = 0;
};

Engine::Engine(const EngineOptions& options, Factory factory, std::function<void(Failure)> started)
    : options_(options),
      thread_([this, factory = std::move(factory), started = std::move(started)] {
        lead(factory, started);
      }) {}

Engine::~Engine() {
  dispose();
  if (on_own_thread()) {
    thread_.detach();  // the process is ending by an exit() on this very thread
  } else {
    thread_.join();
  }
}

bool Engine::on_own_thread() const {
  return own_engine == this;
}

// ---- asking for work, from any thread

void Engine::predict(CallId id, Input input, int64_t priority,
                     std::function<void(Failure, Prediction&&)> callback) {
  auto call = std::make_shared<PredictCall>();
  call->id = id;
  call->rows = row_count(input);
  call->input = std::move(input);
  call->priority = priority;
  call->callback = std::move(callback);
  Failure failure;
  std::condition_variable* wake = nullptr;
  {
    const std::lock_guard lock(mutex_);
    failure = refusal(id, call->rows);
    call->prediction.labels = labels_;
    if (!failure && call->rows > 0) {
      open_.emplace(id, call);
      queue_.push(call);
      wake = next_to_wake();
    }
  }
  if (wake) wake->notify_one();
  if (failure || call->rows == 0) call->callback(failure, std::move(call->prediction));
}

void Engine::train(CallId id, TrainRequest request,
                   std::function<void(Failure, StepResult&&)> callback) {
  auto barrier = std::make_shared<BarrierCall>();
  auto result = std::make_shared<StepResult>();
  barrier->id = id;
  barrier->rows = row_count(request.input);
  barrier->is_step = true;
  barrier->task = [request = std::move(request), result](Compute& compute,
                                                         const CancelCheck& cancelled) {
    *result = compute.train_step(request, cancelled);
  };
  barrier->callback = [result, callback = std::move(callback)](const Failure& failure) {
    callback(failure, std::move(*result));
  };
  push(std::move(barrier));
}

void Engine::run(std::function<void(Compute&)> task, std::function<void(Failure)> callback) {
  auto barrier = std::make_shared<BarrierCall>();
  barrier->task = [task = std::move(task)](Compute& compute, const CancelCheck&) { task(compute); };
  barrier->callback = std::move(callback);
  push(std::move(barrier));
}

void Engine::push(std::shared_ptr<BarrierCall> barrier) {
  Failure failure;
  std::condition_variable* wake = nullptr;
  {
    const std::lock_guard lock(mutex_);
    failure = refusal(barrier->id, barrier->rows);
    if (!failure) {
      if (barrier->id) open_.emplace(*barrier->id, barrier);
      queue_.push(barrier);
      wake = next_to_wake();
    }
  }
  if (wake) wake->notify_one();
  if (failure) barrier->callback(failure);
}

Failure Engine::refusal(std::optional<CallId> id, int64_t rows) {
  if (closed_) return disposed_failure();
  if (id && open_.contains(*id)) {
    return make_failure(
        "ERR_INVALID_ARGUMENT",
        "Call " + std::to_string(*id) + " is still open: every call needs an id of its own");
  }
  const int64_t depth = queue_.rows();
  if (options_.max_queue_rows > 0 && rows > 0 && depth + rows > options_.max_queue_rows) {
    ++stats_.refused;
    return make_failure("ERR_QUEUE_FULL", "The queue holds " + std::to_string(depth) +
                                              " rows and can't take " + std::to_string(rows) +
                                              " more: maxQueueRows is " +
                                              std::to_string(options_.max_queue_rows));
  }
  return nullptr;
}

bool Engine::cancel(CallId id) {
  OpenCall call;
  std::condition_variable* wake = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(id);
    if (found == open_.end()) return false;
    call = found->second;
    if (auto* prediction = std::get_if<std::shared_ptr<PredictCall>>(&call)) {
      mark_settled(**prediction);
    } else {
      BarrierCall& step = *std::get<std::shared_ptr<BarrierCall>>(call);
      if (!queue_.remove(step)) {
        step.cancelled = true;
        return false;
      }
      open_.erase(found);
    }
    ++stats_.cancelled;
    wake = next_to_wake();  // what waited behind the call may be next now
  }
  if (wake) wake->notify_one();
  if (auto* prediction = std::get_if<std::shared_ptr<PredictCall>>(&call)) {
    (*prediction)->callback(cancelled_failure(), {});
  } else {
    std::get<std::shared_ptr<BarrierCall>>(call)->callback(cancelled_failure());
  }
  return true;
}

void Engine::dispose(std::function<void()> disposed) {
  close(disposed_failure());
  {
    const std::lock_guard lock(mutex_);
    if (!stopped_) {
      if (disposed) disposed_.push_back(std::move(disposed));
      return;
    }
  }
  if (disposed) disposed();
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  stats.queued_rows = queue_.rows();
  return stats;
}

// ---- settling calls

bool Engine::mark_settled(PredictCall& call) {
  if (call.settled) return false;
  call.settled = true;
  open_.erase(call.id);
  queue_.remove(call);
  return true;
}

void Engine::settle(const std::shared_ptr<PredictCall>& call, const Failure& failure) {
  {
    const std::lock_guard lock(mutex_);
    if (!mark_settled(*call)) return;
  }
  // A batch may still write to the call's own prediction, so a failure comes with an empty one.
  call->callback(failure, failure ? Prediction{} : std::move(call->prediction));
}

void Engine::close(const Failure& failure) {
  std::vector<std::shared_ptr<PredictCall>> predictions;
  std::vector<std::shared_ptr<BarrierCall>> rest;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    rest = queue_.clear();
    // Those in a running batch are open, too. A running training step stays: it says how it ended.
    for (auto& [id, call] : open_) {
      auto* prediction = std::get_if<std::shared_ptr<PredictCall>>(&call);
      if (prediction) predictions.push_back(*prediction);
    }
    for (const std::shared_ptr<PredictCall>& call : predictions) mark_settled(*call);
    for (const std::shared_ptr<BarrierCall>& barrier : rest) {
      if (barrier->id) open_.erase(*barrier->id);
    }
  }
  lead_wake_.notify_all();
  worker_wake_.notify_all();
  for (const std::shared_ptr<PredictCall>& call : predictions) call->callback(failure, {});
  for (const std::shared_ptr<BarrierCall>& barrier : rest) barrier->callback(failure);
}

// ---- whose turn it is

int64_t Engine::waiting() {
  return (call_is_batch_ ? queue_.calls_before_barrier() : queue_.rows_before_barrier()) -
         promised_;
}

bool Engine::is_for_lead() {
  if (worker_count_ == 0) return true;
  return options_.threads.adaptive && busy_workers_ == 0 && waiting() < worker_count_;
}

bool Engine::lead_may_start() {
  if (lead_is_busy_ || busy_workers_ > 0) return false;
  return queue_.barrier_is_next() || (waiting() > 0 && is_for_lead());
}

bool Engine::worker_may_start() {
  return !lead_is_busy_ && busy_workers_ < worker_count_ && waiting() > 0 && !is_for_lead();
}

// To be asked after every change, and each thread that starts asks again: so whoever may start is
// woken, one after another, and nobody else is.
std::condition_variable* Engine::next_to_wake() {
  if (lead_may_start()) return &lead_wake_;
  if (worker_may_start()) return &worker_wake_;
  return nullptr;
}

// ---- the lead

void Engine::lead(const Factory& factory, const std::function<void(Failure)>& started) {
  own_engine = this;
  if (load(factory, started)) {
    while (wait_to_lead()) {
      if (const std::shared_ptr<BarrierCall> barrier = take_barrier()) {
        run_barrier(*barrier);
      } else {
        predict(kEverything);
      }
    }
  }
  end();
}

bool Engine::load(const Factory& factory, const std::function<void(Failure)>& started) {
  Failure failure;
  if (!closed()) {
    try {
      compute_ = factory([this] { return closed(); });
      start_workers();
    } catch (...) {
      failure = current_failure();
    }
  }
  if (closed()) failure = disposed_failure();
  started(failure);
  if (failure) close(failure);
  return !failure;
}

void Engine::start_workers() {
  const int64_t wanted = compute_->most_workers() > 1 ? options_.threads.workers : 0;
  {
    const std::lock_guard lock(mutex_);
    labels_ = compute_->labels();
    call_is_batch_ = compute_->call_is_batch();
    worker_count_ = wanted;
  }
  try {
    while (std::ssize(workers_) < wanted) workers_.emplace_back([this] { work(); });
  } catch (const std::exception&) {
    // The system has no room for more threads: those that there are do it, or the lead alone.
    const std::lock_guard lock(mutex_);
    worker_count_ -= wanted - std::ssize(workers_);
  }
}

bool Engine::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool Engine::wait_to_lead() {
  std::unique_lock lock(mutex_);
  lead_is_busy_ = false;
  if (std::condition_variable* wake = next_to_wake()) wake->notify_one();
  lead_wake_.wait(lock, [this] { return closed_ || lead_may_start(); });
  lead_is_busy_ = true;
  return !closed_;
}

std::shared_ptr<BarrierCall> Engine::take_barrier() {
  const std::lock_guard lock(mutex_);
  return queue_.take_barrier();
}

void Engine::run_barrier(BarrierCall& barrier) {
  const CancelCheck cancelled = [this, &barrier] {
    const std::lock_guard lock(mutex_);
    return closed_ || barrier.cancelled;
  };
  Failure failure;
  try {
    barrier.task(*compute_, cancelled);
  } catch (...) {
    failure = current_failure();
  }
  {
    const std::lock_guard lock(mutex_);
    if (barrier.id) open_.erase(*barrier.id);
    if (failure && failure->code() == "ERR_CANCELLED") {
      if (closed_ && !barrier.cancelled) failure = disposed_failure();
      if (barrier.cancelled) ++stats_.cancelled;
    }
    if (!failure && barrier.is_step) ++stats_.steps;
  }
  barrier.callback(failure);
}

void Engine::end() {
  for (std::thread& worker : workers_) worker.join();
  compute_.reset();
  std::vector<std::function<void()>> disposed;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    disposed = std::exchange(disposed_, {});
  }
  for (const std::function<void()>& callback : disposed) callback();
}

// ---- workers

void Engine::work() {
  own_engine = this;
  try {
    compute_->use_threads(options_.threads.per_worker);
  } catch (...) {
    // Without memory even for that a worker is of no use; the others and the lead are.
    const std::lock_guard lock(mutex_);
    --worker_count_;
    if (std::condition_variable* wake = next_to_wake()) wake->notify_one();
    return;
  }
  while (const int64_t share = wait_to_work()) {
    predict(share);
    const std::lock_guard lock(mutex_);
    --busy_workers_;
  }
}

// The worker's share: as many rows as every other one that is free. They are promised to it until
// it has taken them, so that nobody else comes for them. 0: the end.
int64_t Engine::wait_to_work() {
  std::unique_lock lock(mutex_);
  if (std::condition_variable* wake = next_to_wake()) wake->notify_one();
  worker_wake_.wait(lock, [this] { return closed_ || worker_may_start(); });
  if (closed_) return 0;
  const int64_t free = worker_count_ - busy_workers_;
  const int64_t share = call_is_batch_ ? 1 : (waiting() + free - 1) / free;
  ++busy_workers_;
  promised_ += share;
  if (std::condition_variable* wake = next_to_wake()) wake->notify_one();
  return share;
}

// ---- predicting, on the lead or a worker

void Engine::predict(int64_t share) {
  if (compute_->call_is_batch()) {
    if (const std::shared_ptr<PredictCall> call = take_call(share)) predict_call(call);
    return;
  }
  const Batch batch = gather(share);
  if (!batch.rows.empty()) predict_batch(batch);
}

std::shared_ptr<PredictCall> Engine::take_call(int64_t share) {
  const std::lock_guard lock(mutex_);
  if (share != kEverything) promised_ -= share;
  const auto priority = queue_.next_priority();
  return priority ? queue_.take_call(*priority) : nullptr;
}

// A call as one batch, where `call_is_batch()`.
void Engine::predict_call(const std::shared_ptr<PredictCall>& call) {
  try {
    call->prediction = compute_->predict_call(call->input, [this, &call] {
      const std::lock_guard lock(mutex_);
      return call->settled;
    });
    count_batch(call->rows, call->prediction.tokens);
  } catch (...) {
    settle(call, current_failure());
    return;
  }
  settle(call, nullptr);
}

Engine::Batch Engine::gather(int64_t share) {
  Batch batch{.share = share};
  while (std::optional<TakenRow> row = take_row(batch)) {
    const std::shared_ptr<PredictCall> call = row->call;
    try {
      if (!add_row(batch, *std::move(row))) break;
    } catch (...) {
      settle(call, current_failure());
    }
  }
  finish_gathering(batch);
  return batch;
}

std::optional<TakenRow> Engine::take_row(Batch& batch) {
  const std::lock_guard lock(mutex_);
  if (!batch.priority) batch.priority = queue_.next_priority();
  if (!batch.priority || batch.share == 0) return std::nullopt;
  std::optional<TakenRow> row = queue_.take_row(*batch.priority);
  if (row && batch.share != kEverything) {
    --batch.share;
    --promised_;
  }
  return row;
}

// False: the row doesn't fit, and waits for the next batch.
bool Engine::add_row(Batch& batch, TakenRow row) {
  PredictCall& call = *row.call;
  std::call_once(call.has_room, [&] { call.prediction = make_prediction(*compute_, call.rows); });
  if (!row.tokens) row.tokens = compute_->prepare(call.input, row.row);
  const int64_t length = length_of(*row.tokens);
  if (!batch.rows.empty() && batch.tokens + length > options_.max_batch_tokens) {
    give_back(std::move(row));
    return false;
  }
  batch.rows.push_back({std::move(row.call), row.row, *std::move(row.tokens)});
  batch.tokens += length;
  return true;
}

void Engine::give_back(TakenRow row) {
  const std::lock_guard lock(mutex_);
  if (!row.call->settled) queue_.give_back(std::move(row));
}

// Gives up what was promised but not taken, and drops the rows of calls that were cancelled, or
// failed by another of their rows, meanwhile.
void Engine::finish_gathering(Batch& batch) {
  const std::lock_guard lock(mutex_);
  if (batch.share != kEverything) promised_ -= std::exchange(batch.share, 0);
  if (std::condition_variable* wake = next_to_wake()) wake->notify_one();
  std::erase_if(batch.rows, [&batch](const Batch::Row& row) {
    if (row.call->settled) batch.tokens -= length_of(row.tokens);
    return row.call->settled;
  });
}

void Engine::predict_batch(const Batch& batch) {
  try {
    std::vector<const TokenRow*> rows;
    std::vector<RowOutput> outputs;
    for (const Batch::Row& row : batch.rows) {
      Prediction& prediction = row.call->prediction;
      const auto offset = static_cast<size_t>(row.row * prediction.labels);
      rows.push_back(&row.tokens);
      outputs.push_back(
          {prediction.logits.data() + offset,
           prediction.probabilities.empty() ? nullptr : prediction.probabilities.data() + offset});
      prediction.truncated[static_cast<size_t>(row.row)] = row.tokens.truncated ? 1 : 0;
    }
    compute_->predict(rows, outputs, [this, &batch] {
      const std::lock_guard lock(mutex_);
      return std::ranges::all_of(batch.rows, [](const auto& row) { return row.call->settled; });
    });
  } catch (...) {
    const Failure failure = current_failure();
    for (const Batch::Row& row : batch.rows) settle(row.call, failure);
    return;
  }
  count_batch(std::ssize(batch.rows), batch.tokens);
  finish_rows(batch);
}

void Engine::count_batch(int64_t rows, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  stats_.rows += rows;
  stats_.tokens += tokens;
  ++stats_.batches;
}

void Engine::finish_rows(const Batch& batch) {
  std::vector<std::shared_ptr<PredictCall>> finished;
  {
    const std::lock_guard lock(mutex_);
    for (const Batch::Row& row : batch.rows) {
      if (++row.call->finished_rows == row.call->rows && mark_settled(*row.call)) {
        finished.push_back(row.call);
      }
    }
  }
  for (const std::shared_ptr<PredictCall>& call : finished) {
    call->callback(nullptr, std::move(call->prediction));
  }
}

}  // namespace bertcnn::engine
