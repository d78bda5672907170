#include "engine/engine.h"

#include <algorithm>
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

/// Rows of one priority that are predicted together.
struct Engine::Batch {
  struct Row {
    std::shared_ptr<PredictCall> call;
    int64_t row;
    TokenRow tokens;

    int64_t length() const { return static_cast<int64_t>(tokens.input_ids.size()); }
  };
  std::vector<Row> rows;
  int64_t tokens = 0;
};

Engine::Engine(const EngineOptions& options, Factory factory, std::function<void(Failure)> started)
    : options_(options),
      thread_([this, factory = std::move(factory), started = std::move(started)] {
        work(factory, started);
      }) {}

Engine::~Engine() {
  dispose();
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();  // the process is ending by an exit() on this very thread
  } else {
    thread_.join();
  }
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
  {
    const std::lock_guard lock(mutex_);
    failure = refusal(id, call->rows);
    if (!failure) {
      open_.emplace(id, call);
      queue_.push(call);
    }
  }
  if (failure) {
    call->callback(failure, {});
  } else {
    wake_.notify_one();
  }
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
  {
    const std::lock_guard lock(mutex_);
    failure = refusal(barrier->id, barrier->rows);
    if (!failure) {
      if (barrier->id) open_.emplace(*barrier->id, barrier);
      queue_.push(barrier);
    }
  }
  if (failure) {
    barrier->callback(failure);
  } else {
    wake_.notify_one();
  }
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
  }
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
  wake_.notify_one();
  for (const std::shared_ptr<PredictCall>& call : predictions) call->callback(failure, {});
  for (const std::shared_ptr<BarrierCall>& barrier : rest) barrier->callback(failure);
}

// ---- the engine's thread

void Engine::work(const Factory& factory, const std::function<void(Failure)>& started) {
  if (load(factory, started)) {
    while (wait_for_work()) {
      if (const std::shared_ptr<BarrierCall> barrier = take_barrier()) {
        run_barrier(*barrier);
      } else {
        predict();
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
    } catch (...) {
      failure = current_failure();
    }
  }
  if (closed()) failure = disposed_failure();
  started(failure);
  if (failure) close(failure);
  return !failure;
}

bool Engine::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

bool Engine::wait_for_work() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return closed_ || !queue_.empty(); });
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

void Engine::predict() {
  if (compute_->call_is_batch()) {
    if (const std::shared_ptr<PredictCall> call = next_call()) predict_call(call);
    return;
  }
  Batch batch = gather();
  if (!batch.rows.empty()) predict_batch(batch);
}

std::shared_ptr<PredictCall> Engine::next_call() {
  const std::lock_guard lock(mutex_);
  return queue_.next_prediction();
}

// A call as one batch, where `call_is_batch()`.
void Engine::predict_call(const std::shared_ptr<PredictCall>& call) {
  {
    const std::lock_guard lock(mutex_);
    if (call->settled) return;
    queue_.remove(*call);
  }
  try {
    if (call->rows == 0) {
      call->prediction = make_prediction(*compute_, 0);
    } else {
      call->prediction = compute_->predict_call(call->input, [this, &call] {
        const std::lock_guard lock(mutex_);
        return call->settled;
      });
      count_batch(call->rows, call->prediction.tokens);
    }
  } catch (...) {
    settle(call, current_failure());
    return;
  }
  settle(call, nullptr);
}

Engine::Batch Engine::gather() {
  Batch batch;
  for (;;) {
    const std::shared_ptr<PredictCall> call = next_call();
    // One batch, one priority: lower ones would make the higher wait for their rows, too.
    if (!call || (!batch.rows.empty() && call->priority != batch.rows.front().call->priority))
      break;
    try {
      if (!add_row(batch, call)) break;
    } catch (...) {
      settle(call, current_failure());
    }
  }
  drop_settled(batch);
  return batch;
}

// Moves the call's next row to the batch. False: it doesn't fit, and waits for the next batch.
bool Engine::add_row(Batch& batch, const std::shared_ptr<PredictCall>& call) {
  if (call->next_row == 0 && !call->held) call->prediction = make_prediction(*compute_, call->rows);
  if (call->rows == 0) {
    settle(call, nullptr);
    return true;
  }
  if (!call->held) call->held = compute_->prepare(call->input, call->next_row);
  const auto length = static_cast<int64_t>(call->held->input_ids.size());
  if (!batch.rows.empty() && batch.tokens + length > options_.max_batch_tokens) return false;
  batch.rows.push_back({call, call->next_row, std::move(*call->held)});
  batch.tokens += length;
  call->held.reset();
  const std::lock_guard lock(mutex_);
  if (!call->settled) queue_.take_row(*call);
  return true;
}

// Calls that were cancelled, or failed by another of their rows, while the batch was put together.
void Engine::drop_settled(Batch& batch) {
  const std::lock_guard lock(mutex_);
  std::erase_if(batch.rows, [&batch](const Batch::Row& row) {
    if (row.call->settled) batch.tokens -= row.length();
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
  count_batch(static_cast<int64_t>(batch.rows.size()), batch.tokens);
  for (const Batch::Row& row : batch.rows) {
    if (++row.call->finished_rows == row.call->rows) settle(row.call, nullptr);
  }
}

void Engine::count_batch(int64_t rows, int64_t tokens) {
  const std::lock_guard lock(mutex_);
  stats_.rows += rows;
  stats_.tokens += tokens;
  ++stats_.batches;
}

void Engine::end() {
  compute_.reset();
  std::vector<std::function<void()>> disposed;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    disposed = std::exchange(disposed_, {});
  }
  for (const std::function<void()>& callback : disposed) callback();
}

}  // namespace bertcnn::engine
