#include "completion_queue.h"

#include <memory>
#include <utility>

#include "errors.h"

namespace bertcnn::binding {

CompletionQueue::CompletionQueue(Napi::Env env)
    : function_(Function::New(env, "bertcnn", /*maxQueueSize=*/0, /*initialThreadCount=*/1, this)) {
  function_.Unref(env);
}

void CompletionQueue::post(Completion completion) {
  auto* owned = new Completion(std::move(completion));  // the call's, once it is queued
  const std::lock_guard lock(mutex_);
  if (closed_ || function_.NonBlockingCall(owned) != napi_ok) delete owned;
}

void CompletionQueue::expect(Napi::Env env) {
  if (expected_++ == 0) function_.Ref(env);
}

void CompletionQueue::arrive(Napi::Env env) {
  if (--expected_ == 0) function_.Unref(env);
}

void CompletionQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

// JavaScript thread. The environment is null when it ends with completions left in the queue.
void CompletionQueue::deliver(Napi::Env env, Napi::Function, CompletionQueue*,
                              Completion* completion) {
  const std::unique_ptr<Completion> owned(completion);
  if (env == nullptr) return;
  try {
    (*owned)(env);
  } catch (const Napi::Error&) {
    // Only a worker that is being terminated refuses: nobody is left to be told.
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
