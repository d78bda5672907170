#include "completion_queue.h"

#include <atomic>
#include <utility>

#include "errors.h"
#include "fault_point.h"

namespace bertcnn::binding {
namespace {

class FunctionCompletion final : public Completion {
 public:
  explicit FunctionCompletion(std::function<void()> function) : function_(std::move(function)) {}
  void run(Napi::Env) override { function_(); }

 private:
  std::function<void()> function_;
};

}  // namespace

std::shared_ptr<Completion> make_completion(std::function<void()> function) {
  return std::make_shared<FunctionCompletion>(std::move(function));
}

// ---- the queue

CompletionQueue::CompletionQueue(Napi::Env env)
    : function_(Function::New(env, "bertcnn", /*maxQueueSize=*/0, /*initialThreadCount=*/1, this)) {
  function_.Unref(env);
}

CompletionQueue::~CompletionQueue() {
  close();
}

void CompletionQueue::post(std::shared_ptr<Completion> completion) noexcept {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  Completion* last = std::exchange(last_, completion.get());
  if (last) {
    last->next_ = std::move(completion);
  } else {
    first_ = std::move(completion);
    function_.NonBlockingCall();
  }
}

void CompletionQueue::expect(Napi::Env env) {
  if (expected_++ == 0) function_.Ref(env);
}

void CompletionQueue::arrive(Napi::Env env) {
  if (--expected_ == 0) function_.Unref(env);
}

void CompletionQueue::close() {
  std::shared_ptr<Completion> dropped;  // outside of the lock, for who knows what they hold
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped = take_all();
  }
  // One by one: a long row that let go of its first would need as deep a stack.
  while (dropped) dropped = std::move(dropped->next_);
}

std::shared_ptr<Completion> CompletionQueue::take_all() {
  last_ = nullptr;
  return std::move(first_);
}

// JavaScript thread. The environment is null when it ends with a call left in the queue.
void CompletionQueue::deliver(Napi::Env env, Napi::Function, CompletionQueue* queue, void*) {
  if (env == nullptr) return;
  std::shared_ptr<Completion> completion;
  {
    const std::lock_guard lock(queue->mutex_);
    completion = queue->take_all();
  }
  for (; completion; completion = std::move(completion->next_)) {
    const Napi::HandleScope scope(env);
    try {
      completion->run(env);
    } catch (const Napi::Error&) {
      // Only a worker that is being terminated refuses: nobody is left to be told.
    }
  }
}

// ---- promises

class PendingPromise::Settlement final : public Completion {
 public:
  Settlement(Napi::Env env, std::shared_ptr<CompletionQueue> to, ToValue make_value,
             std::function<void()> when_arrived)
      : queue(std::move(to)),
        to_value(std::move(make_value)),
        arrived(std::move(when_arrived)),
        deferred(Napi::Promise::Deferred::New(env)) {}

  void run(Napi::Env env) override {
    queue->arrive(env);
    arrived();
    if (!failure) {
      try {
        fault_point("to JavaScript");
        deferred.Resolve(to_value(env));
        return;
      } catch (const Napi::Error& error) {
        deferred.Reject(error.Value());
        return;
      } catch (...) {
        failure = engine::current_failure();
      }
    }
    deferred.Reject(to_js_error(env, *failure).Value());
  }

  const std::shared_ptr<CompletionQueue> queue;  // may outlive its environment, and then drops all
  const ToValue to_value;
  const std::function<void()> arrived;
  const Napi::Promise::Deferred deferred;
  engine::Failure failure;  // set before it is posted
  std::atomic<bool> settled = false;
};

PendingPromise::PendingPromise(Napi::Env env, std::shared_ptr<CompletionQueue> queue,
                               ToValue to_value, std::function<void()> arrived)
    : settlement_(std::make_shared<Settlement>(env, std::move(queue), std::move(to_value),
                                               std::move(arrived))) {
  settlement_->queue->expect(env);
}

Napi::Promise PendingPromise::promise() const {
  return settlement_->deferred.Promise();
}

void PendingPromise::settle(engine::Failure failure) const noexcept {
  if (settlement_->settled.exchange(true)) return;
  settlement_->failure = std::move(failure);
  settlement_->queue->post(settlement_);
}

}  // namespace bertcnn::binding
