// An engine's lead and workers: whose turn it is, and what each does then.
#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "engine/engine.h"
#include "engine/failure.h"
#include "engine/share.h"
#include "error.h"

namespace bertcnn::engine {
namespace {

/// The engine that this thread belongs to.
thread_local const Engine* own_engine = nullptr;

}  // namespace

bool Engine::on_own_thread() const {
  return own_engine == this;
}

// ---- whose turn it is

int64_t Engine::waiting() {
  return (call_is_batch_ ? queue_.calls_before_barrier() : queue_.rows_before_barrier()) -
         promised_;
}

bool Engine::is_patient() {
  return patience_ && patience_->arrivals == arrivals_ && options_.clock->now() < patience_->until;
}

bool Engine::is_for_lead() {
  if (worker_count_ == 0) return true;
  return options_.threads.adaptive && busy_workers_ == 0 && waiting() < worker_count_;
}

bool Engine::lead_may_start() {
  if (lead_is_busy_ || busy_workers_ > 0) return false;
  return queue_.barrier_is_next() || (waiting() > 0 && is_for_lead() && !is_patient());
}

bool Engine::worker_may_start() {
  return !lead_is_busy_ && busy_workers_ < worker_count_ && waiting() > 0 && !is_for_lead() &&
         !is_patient();
}

// To be asked after every change, and each thread that starts asks again: so whoever may start is
// woken, one after another, and nobody else is.
std::condition_variable* Engine::next_to_wake() {
  if (lead_may_start()) return &lead_wake_;
  if (worker_may_start()) return &worker_wake_;
  return nullptr;
}

void Engine::wake_next() {
  if (std::condition_variable* wake = next_to_wake()) wake->notify_one();
}

template <typename MayStart>
void Engine::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& wake,
                  MayStart may_start) {
  wake_next();
  while (!closed_ && !may_start()) {
    if (is_patient()) {
      options_.clock->wait_until(wake, lock, patience_->until);
      // It may have become the turn of a thread that does not look at the clock.
      if (!may_start()) wake_next();
    } else {
      wake.wait(lock);
    }
  }
}

// ---- the lead

void Engine::lead(const Factory& factory, const std::function<void(Failure)>& started) {
  own_engine = this;
  if (load(factory, started)) {
    while (wait_to_lead()) {
      if (const std::shared_ptr<BarrierCall> barrier = take_barrier()) {
        run_barrier(barrier);
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
    max_batch_tokens_ = options_.max_batch_tokens.value_or(compute_->usual_batch_tokens());
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

bool Engine::wait_to_lead() {
  std::unique_lock lock(mutex_);
  lead_is_busy_ = false;
  wait(lock, lead_wake_, [this] { return lead_may_start(); });
  lead_is_busy_ = true;
  return !closed_;
}

std::shared_ptr<BarrierCall> Engine::take_barrier() {
  const std::lock_guard lock(mutex_);
  running_ = queue_.take_barrier();
  return running_;
}

void Engine::run_barrier(const std::shared_ptr<BarrierCall>& barrier) {
  const CancelCheck cancelled = [this, &barrier] {
    const std::lock_guard lock(mutex_);
    return closed_ || barrier->cancelled || barrier->disposed;
  };
  Failure failure;
  {
    // Taken when its client was leaving, before it was dropped.
    const std::lock_guard lock(mutex_);
    if (closed_ || !clients_.contains(barrier->client)) failure = disposed_failure();
  }
  if (failure) {
    finish_barrier(barrier, std::move(failure));
    return;
  }
  try {
    barrier->task(*compute_, cancelled);
  } catch (...) {
    failure = current_failure();
  }
  const FeatureCacheStats feature_cache = compute_->feature_cache();
  const DeviceMemory memory = compute_->memory();
  {
    const std::lock_guard lock(mutex_);
    stats_.feature_cache = feature_cache;
    stats_.memory = memory;
  }
  finish_barrier(barrier, std::move(failure));
}

void Engine::finish_barrier(const std::shared_ptr<BarrierCall>& barrier, Failure failure) {
  std::vector<std::function<void()>> afterwards;
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
    afterwards = std::move(barrier->afterwards);
    if (barrier->id) open_.erase(*barrier->id);
    if (failure && failure->code() == "ERR_CANCELLED") {
      if ((closed_ || barrier->disposed) && !barrier->cancelled) failure = disposed_failure();
      if (barrier->cancelled) ++stats_.cancelled;
    }
    if (!failure && barrier->is_step) ++stats_.steps;
  }
  barrier->callback(failure);
  for (const std::function<void()>& callback : afterwards) callback();
}

// The lead first and then the workers at once, each as it will predict.
void Engine::warm_all(const CancelCheck& cancelled) {
  warm(cancelled);
  std::unique_lock lock(mutex_);
  warm_up_failure_ = nullptr;
  cold_workers_ = worker_count_;
  ++warm_ups_;
  worker_wake_.notify_all();
  lead_wake_.wait(lock, [this] { return closed_ || cold_workers_ == 0; });
  if (closed_) fail("ERR_CANCELLED", "The call was cancelled");
  if (warm_up_failure_) throw Error(*warm_up_failure_);
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
  if (!prepare_worker()) return;
  int64_t warm_ups = 0;
  while (const int64_t share = wait_to_work(warm_ups)) {
    predict(share);
    const std::lock_guard lock(mutex_);
    --busy_workers_;
  }
}

bool Engine::prepare_worker() {
  try {
    compute_->use_threads(options_.threads.per_worker);
    return true;
  } catch (...) {
    // Without memory even for that a worker is of no use; the others and the lead are.
    const std::lock_guard lock(mutex_);
    --worker_count_;
    if (cold_workers_ > 0) --cold_workers_;
    lead_wake_.notify_one();
    wake_next();
    return false;
  }
}

// The worker's share: as many rows as every other one that is free. They are promised to it until
// it has taken them, so that nobody else comes for them. 0: the end.
int64_t Engine::wait_to_work(int64_t& warm_ups) {
  std::unique_lock lock(mutex_);
  for (;;) {
    wait(lock, worker_wake_, [&] { return warm_ups != warm_ups_ || worker_may_start(); });
    if (closed_) return 0;
    if (warm_ups == warm_ups_) break;
    warm_ups = warm_ups_;
    lock.unlock();
    warm_worker();
    lock.lock();
  }
  const int64_t free = worker_count_ - busy_workers_;
  int64_t share = (waiting() + free - 1) / free;
  if (options_.max_queue_delay > Duration::zero()) share = waiting();  // a full batch is wanted
  if (call_is_batch_) share = 1;
  ++busy_workers_;
  promised_ += share;
  wake_next();
  return share;
}

void Engine::warm_worker() {
  Failure failure;
  try {
    warm([this] { return closed(); });
  } catch (...) {
    failure = current_failure();
  }
  const std::lock_guard lock(mutex_);
  if (failure) warm_up_failure_ = failure;
  if (--cold_workers_ == 0) lead_wake_.notify_one();
}

}  // namespace bertcnn::engine
