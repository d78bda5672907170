// The way back: from any thread to the JavaScript thread of one environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/failure.h"
#include "engine/requests.h"
#include "javascript.h"

namespace bertcnn::binding {

/// Carries completions to the JavaScript thread: all that are there at once, so that the callers of
/// a batch go on together, and what they ask for next arrives together too. Keeps the event loop
/// alive only while something is awaited, so that an idle model doesn't keep a process from ending.
class CompletionQueue {
 public:
  using Completion = std::function<void(Napi::Env)>;

  explicit CompletionQueue(Napi::Env env);

  /// Any thread: runs `completion` on the JavaScript thread. Dropped once the environment ends.
  void post(Completion completion);

  /// JavaScript thread: from `expect` to `arrive` the event loop stays alive. Calls may be nested.
  void expect(Napi::Env env);
  void arrive(Napi::Env env);

  /// Drops what arrives from now on. Afterwards no other thread touches Node-API.
  void close();

 private:
  static void deliver(Napi::Env env, Napi::Function callback, CompletionQueue* queue, void*);
  using Function = Napi::TypedThreadSafeFunction<CompletionQueue, void, deliver>;

  std::mutex
      mutex_;  // guards `closed_` and `waiting_`, and `function_` against calls after its end
  bool closed_ = false;
  std::vector<Completion> waiting_;  // where there are any, JavaScript has been told
  Function function_;
  int64_t expected_ = 0;  // JavaScript thread only
};

/// A promise that native code settles once, from any thread. Copies are the same promise.
class PendingPromise {
 public:
  using ToValue = std::function<Napi::Value(Napi::Env)>;

  /// JavaScript thread. `arrived` is called there before the promise is settled.
  PendingPromise(
      Napi::Env env, std::shared_ptr<CompletionQueue> queue, std::function<void()> arrived = [] {});
  /// Calls `start`, which begins the work that settles the promise. Where that throws, the promise
  /// is rejected with the error: nothing else would settle it.
  template <typename Start>
  Napi::Promise after(Start&& start) const {
    try {
      start();
    } catch (...) {
      settle(engine::current_failure(), {});
    }
    return deferred_.Promise();
  }

  /// Any thread, once: rejects with `failure`, or else resolves with what `to_value` makes of the
  /// result on the JavaScript thread.
  void settle(const engine::Failure& failure, ToValue to_value) const;

 private:
  std::shared_ptr<CompletionQueue> queue_;  // may outlive its environment, and then drops all
  std::function<void()> arrived_;
  Napi::Promise::Deferred deferred_;
};

}  // namespace bertcnn::binding
