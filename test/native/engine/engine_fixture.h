// An engine with a fake computation, and what tests of it share.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "fake_compute.h"

namespace bertcnn::engine::test {

using Texts = std::vector<std::string>;
using Events = std::vector<std::string>;

/// How a call ended. A callback that is called twice breaks its promise, which ends the program.
template <typename Value>
struct Outcome {
  std::string code;  // empty: success
  std::string message;
  Value value;
};

template <typename Value>
Outcome<Value> outcome(const Failure& failure, Value value) {
  if (!failure) return {"", "", std::move(value)};
  return {failure->code(), failure->what(), std::move(value)};
}

template <typename Value>
using Result = std::future<Outcome<Value>>;

bool ready(const auto& result) {
  return result.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

class EngineTest : public testing::Test {
 protected:
  /// The engine, started at its first use.
  Engine& engine() {
    if (!engine_) {
      engine_.emplace(
          options,
          [script = script](const CancelCheck&) { return std::make_unique<FakeCompute>(script); },
          [](const Failure&) {});
    }
    return *engine_;
  }

  Result<Prediction> predict(CallId id, Texts texts, int64_t priority = 0) {
    auto promise = std::make_shared<std::promise<Outcome<Prediction>>>();
    engine().predict(id, std::move(texts), priority,
                     [promise](const Failure& failure, Prediction&& prediction) {
                       promise->set_value(outcome(failure, std::move(prediction)));
                     });
    return promise->get_future();
  }

  Result<StepResult> train(CallId id, Texts texts) {
    auto promise = std::make_shared<std::promise<Outcome<StepResult>>>();
    engine().train(id, {std::move(texts), {}},
                   [promise](const Failure& failure, StepResult&& step) {
                     promise->set_value(outcome(failure, std::move(step)));
                   });
    return promise->get_future();
  }

  Result<int> run(std::function<void(Compute&)> task, ClientId client = 0) {
    auto promise = std::make_shared<std::promise<Outcome<int>>>();
    engine().run([task = std::move(task)](Compute& compute, const CancelCheck&) { task(compute); },
                 [promise](const Failure& failure) { promise->set_value(outcome(failure, 0)); },
                 client);
    return promise->get_future();
  }

  Result<int> warm_up() {
    auto promise = std::make_shared<std::promise<Outcome<int>>>();
    engine().warm_up(
        [promise](const Failure& failure) { promise->set_value(outcome(failure, 0)); });
    return promise->get_future();
  }

  /// Detaches; ready when that is done.
  std::future<void> detach(ClientId client) {
    auto promise = std::make_shared<std::promise<void>>();
    engine().detach(client, [promise] { promise->set_value(); });
    return promise->get_future();
  }

  /// Keeps the engine busy until the gate opens, so that what a test asks for meanwhile queues up.
  std::shared_ptr<Gate> hold() {
    auto gate = std::make_shared<Gate>();
    engine().run([gate](Compute&, const CancelCheck&) { gate->pass(); }, [](const Failure&) {});
    gate->wait_for_arrival();
    return gate;
  }

  /// A gate at which the first batch waits, between two layers. `asked` then holds what CancelCheck
  /// answered when it went on; a cancelled batch throws as a model does.
  std::shared_ptr<Gate> hold_first_batch() {
    auto gate = std::make_shared<Gate>();
    script->on_predict = [gate, this, first = true](const Texts&,
                                                    const CancelCheck& cancelled) mutable {
      if (!std::exchange(first, false)) return;
      gate->pass();
      if (cancelled()) {
        script->record("stopped");
        fail("ERR_CANCELLED", "Stopped between layers");
      }
    };
    return gate;
  }

  Events events() const { return script->events(); }

  std::shared_ptr<FakeClock> clock = std::make_shared<FakeClock>();
  EngineOptions options{.clock = clock};
  std::shared_ptr<Script> script = std::make_shared<Script>();
  std::optional<Engine> engine_;  // last: its thread uses the others
};

}  // namespace bertcnn::engine::test
