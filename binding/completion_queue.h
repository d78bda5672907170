// The way back: from any thread to the JavaScript thread of one environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "engine/failure.h"
#include "engine/requests.h"
#include "javascript.h"

namespace bertcnn::binding {

/// Something that is left to do on the JavaScript thread. It is made where running out of memory
/// can still be told; to post it then takes none.
class Completion {
 public:
  Completion() = default;
  virtual ~Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  virtual void run(Napi::Env env) = 0;

 private:
  friend class CompletionQueue;
  std::shared_ptr<Completion> next_;  // in the queue
};

/// A completion that calls `function`.
std::shared_ptr<Completion> make_completion(std::function<void()> function);

/// Carries completions to the JavaScript thread: all that are there at once, so that the callers of
/// a batch go on together, and what they ask for next arrives together too. Keeps the event loop
/// alive only while something is awaited, so that an idle model doesn't keep a process from ending.
class CompletionQueue {
 public:
  explicit CompletionQueue(Napi::Env env);
  ~CompletionQueue();

  /// Any thread: runs `completion`, which was never posted before, on the JavaScript thread.
  /// Dropped once the environment ends.
  void post(std::shared_ptr<Completion> completion) noexcept;

  /// JavaScript thread: from `expect` to `arrive` the event loop stays alive. Calls may be nested.
  void expect(Napi::Env env);
  void arrive(Napi::Env env);

  /// Drops what arrives from now on. Afterwards no other thread touches Node-API.
  void close();

 private:
  static void deliver(Napi::Env env, Napi::Function callback, CompletionQueue* queue, void*);
  using Function = Napi::TypedThreadSafeFunction<CompletionQueue, void, deliver>;

  std::shared_ptr<Completion> take_all();

  // Guards all but `expected_`, and `function_` against calls after its end.
  std::mutex mutex_;
  bool closed_ = false;
  std::shared_ptr<Completion> first_;  // where there is one, JavaScript has been told
  Completion* last_ = nullptr;
  Function function_;
  int64_t expected_ = 0;  // JavaScript thread only
};

/// A promise that native code settles, from any thread. Copies are the same promise.
class PendingPromise {
 public:
  using ToValue = std::function<Napi::Value(Napi::Env)>;

  /// JavaScript thread. The promise resolves with what `to_value` makes of the result there.
  /// `arrived` is called there before it is settled.
  PendingPromise(
      Napi::Env env, std::shared_ptr<CompletionQueue> queue, ToValue to_value,
      std::function<void()> arrived = [] {});

  /// Calls `start`, which begins the work that settles the promise. Where that throws, the promise
  /// is rejected with the error: nothing else would settle it.
  template <typename Start>
  Napi::Promise after(Start&& start) const {
    try {
      start();
    } catch (...) {
      settle(engine::current_failure());
    }
    return promise();
  }

  /// Any thread: rejects with `failure`, or else resolves. Only the first call counts.
  void settle(engine::Failure failure) const noexcept;

 private:
  class Settlement;
  Napi::Promise promise() const;

  std::shared_ptr<Settlement> settlement_;
};

}  // namespace bertcnn::binding
