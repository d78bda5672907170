#include "completion_queue.h"

#include <utility>

#include "errors.h"

namespace bertcnn::binding {

CompletionQueue::CompletionQueue(Napi::Env env)
    : function_(Function::New(env, "bertcnn", /*maxQueueSize=*/0, /*initialThreadCount=*/1, this)) {
  function_.Unref(env);
}

void CompletionQueue::post(Completion completion) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  waiting_.push_back(std::move(completion));
  if (waiting_.size() == 1) function_.NonBlockingCall();
}

void CompletionQueue::expect(Napi::Env env) {
  if (expected_++ == 0) function_.Ref(env);
}

void CompletionQueue::arrive(Napi::Env env) {
  if (--expected_ == 0) function_.Unref(env);
}

void CompletionQueue::close() {
  std::vector<Completion> dropped;  // outside of the lock, for who knows what they hold
  const std::lock_guard lock(mutex_);
  closed_ = true;
  dropped.swap(waiting_);
}

// JavaScript thread. The environment is null when it ends with a call left in the queue.
void CompletionQueue::deliver(Napi::Env env, Napi::Function, CompletionQueue* queue, void*) {
  if (env == nullptr) return;
  std::vector<Completion> completions;
  {
    const std::lock_guard lock(queue->mutex_);
    completions.swap(queue->waiting_);
  }
  for (const Completion& completion : completions) {
    const Napi::HandleScope scope(env);
    try {
      completion(env);
    } catch (const Napi::Error&) {
      // Only a worker that is being terminated refuses: nobody is left to be told.
    }
  }
}

PendingPromise::PendingPromise(Napi::Env env, std::shared_ptr<CompletionQueue> queue,
                               std::function<void()> arrived)
    : queue_(std::move(queue)),
      arrived_(std::move(arrived)),
      deferred_(Napi::Promise::Deferred::New(env)) {
  queue_->expect(env);
}

void PendingPromise::settle(const engine::Failure& failure, ToValue to_value) const {
  queue_->post([*this, failure, to_value = std::move(to_value)](Napi::Env env) {
    queue_->arrive(env);
    arrived_();
    if (failure) {
      deferred_.Reject(to_js_error(env, *failure).Value());
      return;
    }
    try {
      deferred_.Resolve(guarded(env, [&] { return to_value(env); }));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
  });
}

}  // namespace bertcnn::binding
