// What may be asked of an engine from any thread.
#include "engine/engine.h"

#include <limits>
#include <string>
#include <utility>

#include "engine/failure.h"
#include "error.h"

namespace bertcnn::engine {

Engine::Engine(const EngineOptions& options, Factory factory, std::function<void(Failure)> started)
    : options_(options) {
  make_failures();
  thread_ = std::thread([this, factory = std::move(factory), started = std::move(started)] {
    lead(factory, started);
  });
}

Engine::~Engine() {
  dispose();
  if (on_own_thread()) {
    thread_.detach();  // the process is ending by an exit() on this very thread
  } else {
    thread_.join();
  }
}

// ---- asking for work

void Engine::predict(CallId id, Input input, int64_t priority,
                     std::function<void(Failure, Prediction&&)> callback, bool more_follow) {
  auto call = std::make_shared<PredictCall>(id);
  call->rows = row_count(input);
  call->input = std::move(input);
  call->priority = priority;
  call->callback = std::move(callback);
  call->arrived = options_.clock->now();
  Failure failure;
  std::condition_variable* wake = nullptr;
  {
    const std::lock_guard lock(mutex_);
    failure = refusal(id, id.client, call->rows);
    call->prediction.labels = labels_;
    if (!failure && call->rows > 0) {
      queue(id, call);
      if (!more_follow) wake = next_to_wake();
    }
  }
  if (wake) wake->notify_one();
  if (failure || call->rows == 0) call->callback(failure, std::move(call->prediction));
}

void Engine::wake() {
  std::condition_variable* wake = nullptr;
  {
    const std::lock_guard lock(mutex_);
    wake = next_to_wake();
  }
  if (wake) wake->notify_one();
}

void Engine::train(CallId id, TrainRequest request,
                   std::function<void(Failure, StepResult&&)> callback) {
  auto barrier = std::make_shared<BarrierCall>();
  auto result = std::make_shared<StepResult>();
  barrier->client = id.client;
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
  push(barrier);
}

void Engine::run(Task task, std::function<void(Failure)> callback, ClientId client) {
  auto barrier = std::make_shared<BarrierCall>();
  barrier->client = client;
  barrier->task = std::move(task);
  barrier->callback = std::move(callback);
  push(barrier);
}

void Engine::warm_up(std::function<void(Failure)> callback, ClientId client) {
  auto barrier = std::make_shared<BarrierCall>();
  barrier->client = client;
  barrier->task = [this](Compute&, const CancelCheck& cancelled) { warm_all(cancelled); };
  barrier->callback = std::move(callback);
  push(barrier);
}

void Engine::push(const std::shared_ptr<BarrierCall>& barrier) {
  Failure failure;
  std::condition_variable* wake = nullptr;
  {
    const std::lock_guard lock(mutex_);
    failure = refusal(barrier->id, barrier->client, barrier->rows);
    if (!failure) {
      queue(barrier->id, barrier);
      wake = next_to_wake();
    }
  }
  if (wake) wake->notify_one();
  if (failure) barrier->callback(failure);
}

// All of it or, where there is no memory for that, nothing.
template <typename Call>
void Engine::queue(const std::optional<CallId>& id, const std::shared_ptr<Call>& call) {
  if (id) open_.emplace(*id, call);
  try {
    queue_.push(call);
  } catch (...) {
    if (id) open_.erase(*id);
    throw;
  }
  ++arrivals_;
}

Failure Engine::refusal(const std::optional<CallId>& id, ClientId client, int64_t rows) {
  if (closed_ || !clients_.contains(client)) return disposed_failure();
  if (id && open_.contains(*id)) {
    return make_failure("ERR_INVALID_ARGUMENT", "Call " + std::to_string(id->number) +
                                                    " is still open: every call needs an id of "
                                                    "its own");
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

bool Engine::cancel(CallId id, bool timed_out) {
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
    ++(timed_out ? stats_.timed_out : stats_.cancelled);
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

EngineStats Engine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  stats.queued_rows = queue_.rows();
  stats.clients = std::ssize(clients_);
  stats.workers = std::max<int64_t>(1, worker_count_);
  return stats;
}

// ---- clients, and the end

std::optional<ClientId> Engine::attach() {
  const std::lock_guard lock(mutex_);
  if (closed_) return std::nullopt;
  return *clients_.insert(next_client_++).first;
}

void Engine::detach(ClientId client, std::function<void()> detached) {
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    last = closed_ || (clients_.contains(client) && clients_.size() == 1);
    if (!last) {
      if (running_ && running_->client == client) {
        if (detached) running_->afterwards.push_back(std::exchange(detached, {}));
        running_->disposed = true;
      }
      clients_.erase(client);  // nothing of it is queued from here on
    }
  }
  if (last) {
    dispose(std::move(detached));
    return;
  }
  drop_calls(client, disposed_failure());
  wake();
  if (detached) detached();
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

bool Engine::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
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

// The first open prediction behind `after`, of one client or of any; those in running batches are
// open, too. Null: there is none.
std::shared_ptr<PredictCall> Engine::settle_prediction(const std::optional<ClientId>& client,
                                                       const CallId& after) {
  for (auto open = open_.upper_bound(after); open != open_.end(); ++open) {
    if (client && open->first.client != *client) break;
    if (auto* prediction = std::get_if<std::shared_ptr<PredictCall>>(&open->second)) {
      std::shared_ptr<PredictCall> call = *prediction;
      mark_settled(*call);
      return call;
    }
  }
  return nullptr;
}

// One by one, so that it needs no memory: it must not fail. A running training step stays: it says
// how it ended.
void Engine::drop_calls(const std::optional<ClientId>& client, const Failure& failure) noexcept {
  constexpr auto kFirst = std::numeric_limits<int64_t>::min();
  CallId after{kFirst, client.value_or(kFirst)};
  const auto next_prediction = [&] {
    const std::lock_guard lock(mutex_);
    return settle_prediction(client, after);
  };
  const auto next_barrier = [&] {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<BarrierCall> barrier = queue_.remove_barrier(client);
    if (barrier && barrier->id) open_.erase(*barrier->id);
    return barrier;
  };
  while (const std::shared_ptr<PredictCall> call = next_prediction()) {
    after = call->id;
    call->callback(failure, {});
  }
  while (const std::shared_ptr<BarrierCall> barrier = next_barrier()) barrier->callback(failure);
}

void Engine::close(const Failure& failure) {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    clients_.clear();
  }
  lead_wake_.notify_all();
  worker_wake_.notify_all();
  drop_calls(std::nullopt, failure);
}

}  // namespace bertcnn::engine
