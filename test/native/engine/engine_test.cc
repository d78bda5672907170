#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fake_compute.h"

namespace bertcnn::engine {
namespace {

using test::FakeCompute;
using test::Gate;
using test::Script;
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

  Result<int> run(std::function<void(Compute&)> task) {
    auto promise = std::make_shared<std::promise<Outcome<int>>>();
    engine().run(std::move(task),
                 [promise](const Failure& failure) { promise->set_value(outcome(failure, 0)); });
    return promise->get_future();
  }

  /// Keeps the engine busy until the gate opens, so that what a test asks for meanwhile queues up.
  std::shared_ptr<Gate> hold() {
    auto gate = std::make_shared<Gate>();
    engine().run([gate](Compute&) { gate->pass(); }, [](const Failure&) {});
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

  EngineOptions options;
  std::shared_ptr<Script> script = std::make_shared<Script>();
  std::optional<Engine> engine_;  // last: its thread uses the others
};

// ---- results

TEST_F(EngineTest, AnswersEveryRowOfACallInItsOrder) {
  const auto result = predict(1, {"four", "~truncated", ""}).get();
  EXPECT_EQ(result.code, "");
  EXPECT_EQ(result.value.rows, 3);
  EXPECT_EQ(result.value.labels, 2);
  EXPECT_EQ(result.value.logits, (std::vector<float>{4, 0, 10, 0, 0, 0}));
  EXPECT_EQ(result.value.probabilities, std::vector<float>(6, 0.5f));
  EXPECT_EQ(result.value.truncated, (std::vector<uint8_t>{0, 1, 0}));
}

TEST_F(EngineTest, GivesNoProbabilitiesWhereTheComputationHasNone) {
  script->probabilities = false;
  EXPECT_TRUE(predict(1, {"text"}).get().value.probabilities.empty());
}

TEST_F(EngineTest, ACallWithoutRowsGetsAnEmptyResultAtOnceAndMakesNoBatch) {
  const auto gate = hold();
  auto waiting = predict(1, {"a"}), none = predict(2, {});
  ASSERT_TRUE(ready(none));
  const auto result = none.get();
  EXPECT_EQ(result.code, "");
  EXPECT_EQ(result.value.rows, 0);
  EXPECT_EQ(result.value.labels, 2);
  EXPECT_TRUE(result.value.logits.empty());
  gate->open();
  waiting.get();
  EXPECT_EQ(events(), Events{"a"});
}

// ---- batches

TEST_F(EngineTest, WaitingCallsShareABatch) {
  const auto gate = hold();
  auto first = predict(1, {"a", "b"}), second = predict(2, {"ccc"});
  gate->open();
  EXPECT_EQ(first.get().value.logits, (std::vector<float>{1, 0, 1, 0}));
  EXPECT_EQ(second.get().value.logits, (std::vector<float>{3, 0}));
  EXPECT_EQ(events(), Events{"a ccc b"});
}

TEST_F(EngineTest, ABatchHoldsAtMostMaxBatchTokens) {
  options.max_batch_tokens = 4;
  const auto gate = hold();
  auto result = predict(1, {"aa", "bb", "ccc", "d", "e"});
  gate->open();
  EXPECT_EQ(result.get().value.logits, (std::vector<float>{2, 0, 2, 0, 3, 0, 1, 0, 1, 0}));
  EXPECT_EQ(events(), (Events{"aa bb", "ccc d", "e"}));
}

TEST_F(EngineTest, ARowLongerThanABatchIsABatchOfItsOwn) {
  options.max_batch_tokens = 4;
  const auto gate = hold();
  auto result = predict(1, {"a", "longer", "b"});
  gate->open();
  EXPECT_EQ(result.get().value.logits, (std::vector<float>{1, 0, 6, 0, 1, 0}));
  EXPECT_EQ(events(), (Events{"a", "longer", "b"}));
}

TEST_F(EngineTest, ASmallCallDoesNotWaitForALargeOne) {
  options.max_batch_tokens = 2;
  const auto gate = hold();
  auto large = predict(1, {"a", "b", "c", "d", "e", "f"}), small = predict(2, {"x"});
  gate->open();
  large.get();
  EXPECT_EQ(events(), (Events{"a x", "b c", "d e", "f"}));
  EXPECT_EQ(small.get().value.logits, (std::vector<float>{1, 0}));
}

TEST_F(EngineTest, ACallThatComesInTheMiddleOfALargeOneIsInTheNextBatch) {
  options.max_batch_tokens = 2;
  const auto gate = hold_first_batch();
  auto large = predict(1, {"a", "b", "c", "d", "e", "f"});
  gate->wait_for_arrival();
  auto small = predict(2, {"x"});
  gate->open();
  large.get();
  small.get();
  EXPECT_EQ(events(), (Events{"a b", "c x", "d e", "f"}));
}

TEST_F(EngineTest, ARowThatDidNotFitIsFirstInTheNextBatch) {
  options.max_batch_tokens = 3;
  const auto gate = hold_first_batch();
  auto first = predict(1, {"aa", "bbb"});
  gate->wait_for_arrival();
  auto second = predict(2, {"c", "d"});
  gate->open();
  EXPECT_EQ(first.get().value.logits, (std::vector<float>{2, 0, 3, 0}));
  second.get();
  EXPECT_EQ(events(), (Events{"aa", "bbb", "c d"}));
}

TEST_F(EngineTest, HigherPrioritiesGoFirstAndShareNoBatchWithLowerOnes) {
  const auto gate = hold();
  auto low = predict(1, {"low", "Low"}, -1), normal = predict(2, {"normal"}),
       high = predict(3, {"high"}, 1);
  gate->open();
  low.get();
  normal.get();
  high.get();
  EXPECT_EQ(events(), (Events{"high", "normal", "low Low"}));
}

TEST_F(EngineTest, AHigherPriorityOvertakesALargeCallBetweenBatches) {
  options.max_batch_tokens = 1;
  const auto gate = hold_first_batch();
  auto large = predict(1, {"a", "b", "c"});
  gate->wait_for_arrival();
  auto urgent = predict(2, {"!?", "x"}, 1), high = predict(3, {"y"}, 1);
  gate->open();
  EXPECT_EQ(urgent.get().code, "ERR_INVALID_INPUT");
  high.get();
  large.get();
  EXPECT_EQ(events(), (Events{"a", "y", "b", "c"}));
}

TEST_F(EngineTest, WhereACallIsABatchNothingIsMergedOrSplit) {
  script->call_is_batch = true;
  options.max_batch_tokens = 2;
  const auto gate = hold();
  auto first = predict(1, {"aa", "bb", "cc"}), second = predict(3, {"d"}),
       high = predict(4, {"e"}, 1);
  gate->open();
  EXPECT_EQ(first.get().value.logits, (std::vector<float>{2, 0, 2, 0, 2, 0}));
  second.get();
  high.get();
  EXPECT_EQ(events(), (Events{"e", "aa bb cc", "d"}));
  EXPECT_EQ(engine().stats().tokens, 8);
}

// ---- barriers

TEST_F(EngineTest, PredictionsSeeTheWeightsOfTheTimeTheyWereAskedFor) {
  options.max_batch_tokens = 2;
  const auto gate = hold();
  auto before = predict(1, {"a", "b", "c"});
  auto step = train(2, {"t"});
  auto after = predict(3, {"d"}, 9);
  gate->open();
  EXPECT_EQ(before.get().value.logits, (std::vector<float>{1, 0, 1, 0, 1, 0}));
  EXPECT_EQ(step.get().value.step, 1);
  EXPECT_EQ(after.get().value.logits, (std::vector<float>{1, 1}));
  EXPECT_EQ(events(), (Events{"a b", "c", "step", "d"}));
}

TEST_F(EngineTest, TasksAreBarriersToo) {
  const auto gate = hold();
  auto before = predict(1, {"a"});
  auto task = run([this](Compute&) { script->record("task"); });
  auto after = predict(2, {"b"});
  auto step = train(3, {"t"});
  gate->open();
  EXPECT_EQ(task.get().code, "");
  step.get();
  EXPECT_EQ(events(), (Events{"a", "task", "b", "step"}));
}

TEST_F(EngineTest, TasksGetTheComputationOfTheEngine) {
  const Compute* seen = nullptr;
  run([&seen](Compute& compute) { seen = &compute; }).get();
  EXPECT_NE(dynamic_cast<const FakeCompute*>(seen), nullptr);
}

// ---- workers

TEST_F(EngineTest, WorkersPredictAtOnce) {
  options.threads = Threads::several(3, 1);
  std::latch together(3);
  script->on_predict = [&together](const Texts&, const CancelCheck&) {
    together.arrive_and_wait();  // passes only where all three are here
  };
  auto first = predict(1, {"a"}), second = predict(2, {"b"}), third = predict(3, {"c"});
  EXPECT_EQ(first.get().value.logits, (std::vector<float>{1, 0}));
  EXPECT_EQ(second.get().code, "");
  EXPECT_EQ(third.get().code, "");
}

TEST_F(EngineTest, WorkersTakeAShareEachOfALargeCall) {
  options.threads = Threads::several(2, 1);
  std::latch together(2);
  script->on_predict = [&together](const Texts&, const CancelCheck&) {
    together.arrive_and_wait();
  };
  const auto gate = hold();
  auto result = predict(1, {"a", "bb", "ccc", "dddd", "eeeee"});
  gate->open();
  EXPECT_EQ(result.get().value.logits, (std::vector<float>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0}));
  std::vector<size_t> sizes;
  for (const std::string& batch : events()) {
    sizes.push_back(static_cast<size_t>(std::ranges::count(batch, ' ')) + 1);
  }
  std::ranges::sort(sizes);
  EXPECT_EQ(sizes, (std::vector<size_t>{2, 3}));
}

TEST_F(EngineTest, TheShareOfAWorkerIsCutAtABatchsTokens) {
  options.threads = Threads::several(2, 1);
  options.max_batch_tokens = 4;
  const auto gate = hold();
  auto result = predict(1, {"aaa", "bbb", "cc", "d", "ee", "ffff"});
  gate->open();
  EXPECT_EQ(result.get().value.logits, (std::vector<float>{3, 0, 3, 0, 2, 0, 1, 0, 2, 0, 4, 0}));
  for (const std::string& batch : events()) {
    EXPECT_LE(batch.size() - static_cast<size_t>(std::ranges::count(batch, ' ')), 4U) << batch;
  }
}

TEST_F(EngineTest, NoBatchRunsBesideABarrier) {
  options.threads = Threads::several(4, 1);
  options.max_batch_tokens = 1;
  std::atomic<int> running = 0, beside = 0;
  script->on_predict = [&](const Texts&, const CancelCheck&) {
    ++running;
    std::this_thread::yield();
    --running;
  };
  script->on_train = [&](const TrainRequest&, const CancelCheck&) { beside += running; };
  std::vector<Result<Prediction>> predictions;
  std::vector<Result<StepResult>> steps;
  constexpr int kSteps = 20;
  for (int step = 0; step < kSteps; ++step) {
    predictions.push_back(predict(2 * step, {"a", "b", "c", "d", "e"}));
    steps.push_back(train(2 * step + 1, {"t"}));
  }
  for (int step = 0; step < kSteps; ++step) {
    const auto n = static_cast<float>(step);
    EXPECT_EQ(predictions[step].get().value.logits,
              (std::vector<float>{1, n, 1, n, 1, n, 1, n, 1, n}));
    EXPECT_EQ(steps[step].get().value.step, step + 1);
  }
  EXPECT_EQ(beside, 0);
}

TEST_F(EngineTest, ABarrierWaitsForEveryWorker) {
  options.threads = Threads::several(2, 1);
  Gate first, second;
  script->on_predict = [&](const Texts& texts, const CancelCheck&) {
    if (texts.front() == "a") first.pass();
    if (texts.front() == "b") second.pass();
  };
  auto a = predict(1, {"a"}), b = predict(2, {"b"});
  first.wait_for_arrival();
  second.wait_for_arrival();
  auto task = run([this](Compute&) { script->record("task"); });
  auto after = predict(3, {"later"});
  second.open();
  b.get();
  EXPECT_FALSE(ready(task));
  first.open();
  after.get();
  EXPECT_EQ(events().at(2), "task");
}

TEST_F(EngineTest, FewRowsAreTheLeadsAndManyTheWorkers) {
  options.threads = Threads::automatic(3);
  std::mutex mutex;
  std::map<std::string, std::thread::id> threads;
  std::latch together(3);
  script->on_predict = [&](const Texts& texts, const CancelCheck&) {
    if (texts.front().size() == 1) together.arrive_and_wait();
    const std::lock_guard lock(mutex);
    for (const std::string& text : texts) threads[text] = std::this_thread::get_id();
  };
  std::thread::id lead;
  run([&lead](Compute&) { lead = std::this_thread::get_id(); }).get();
  predict(1, {"alone"}).get();
  predict(2, {"two", "rows"}).get();
  predict(3, {"a", "b", "c"}).get();
  EXPECT_EQ(threads["alone"], lead);
  EXPECT_EQ(threads["two"], lead);
  EXPECT_EQ(threads["rows"], lead);
  for (const char* text : {"a", "b", "c"}) EXPECT_NE(threads[text], lead) << text;
}

TEST_F(EngineTest, WhatComesWhileWorkersAreBusyGoesToAWorker) {
  options.threads = Threads::automatic(2);
  std::thread::id lead, later;
  Gate gate;
  script->on_predict = [&](const Texts& texts, const CancelCheck&) {
    if (texts.front() == "a") gate.pass();
    if (texts.front() == "later") later = std::this_thread::get_id();
  };
  run([&lead](Compute&) { lead = std::this_thread::get_id(); }).get();
  auto both = predict(1, {"a", "b"});
  gate.wait_for_arrival();
  EXPECT_EQ(predict(2, {"later"}).get().code, "");  // while "a" is still held
  EXPECT_NE(later, lead);
  gate.open();
  both.get();
}

TEST_F(EngineTest, NothingElseRunsWhileTheLeadPredicts) {
  options.threads = Threads::automatic(2);
  Gate gate;
  script->on_predict = [&](const Texts& texts, const CancelCheck&) {
    if (texts.front() == "a") gate.pass();
  };
  auto alone = predict(1, {"a"});
  gate.wait_for_arrival();
  auto later = predict(2, {"b", "c"});
  EXPECT_EQ(engine().stats().queued_rows, 2);
  gate.open();
  alone.get();
  later.get();
  EXPECT_EQ(events().front(), "a");
}

TEST_F(EngineTest, CallsThatAreBatchesGoToTheWorkersOneEach) {
  script->call_is_batch = true;
  options.threads = Threads::automatic(2);
  std::latch together(2);
  script->on_predict = [&together](const Texts& texts, const CancelCheck&) {
    if (texts.size() == 1) together.arrive_and_wait();
  };
  EXPECT_EQ(predict(1, {"large", "and", "alone"}).get().code, "");
  const auto gate = hold();
  auto first = predict(2, {"a"}), second = predict(3, {"b"});
  gate->open();
  EXPECT_EQ(first.get().code, "");
  EXPECT_EQ(second.get().code, "");
}

TEST_F(EngineTest, EveryWorkerIsToldItsNumberOfThreads) {
  options.threads = Threads::several(2, 3);
  std::atomic<int> told = 0;
  std::latch together(2);
  script->on_use_threads = [&told](int64_t threads) { told += static_cast<int>(threads); };
  script->on_predict = [&together](const Texts&, const CancelCheck&) {
    together.arrive_and_wait();
  };
  predict(1, {"a", "b"}).get();
  EXPECT_EQ(told, 6);
}

TEST_F(EngineTest, ADeviceThatTakesTurnsHasNoWorkers) {
  script->most_workers = 1;
  options.threads = Threads::several(4, 1);
  std::thread::id lead, used;
  script->on_predict = [&used](const Texts&, const CancelCheck&) {
    used = std::this_thread::get_id();
  };
  run([&lead](Compute&) { lead = std::this_thread::get_id(); }).get();
  predict(1, {"a", "b", "c", "d", "e"}).get();
  EXPECT_EQ(used, lead);
  EXPECT_EQ(events(), Events{"a b c d e"});
}

TEST_F(EngineTest, WorkersWithoutMemoryLeaveTheWorkToTheLead) {
  options.threads = Threads::several(2, 1);
  script->on_use_threads = [](int64_t) { throw std::bad_alloc(); };
  EXPECT_EQ(predict(1, {"a", "b"}).get().value.logits, (std::vector<float>{1, 0, 1, 0}));
}

TEST_F(EngineTest, ARowThatFailsOnOneWorkerFailsItsCallOnAll) {
  options.threads = Threads::several(2, 1);
  options.max_batch_tokens = 1;
  script->on_predict = [](const Texts& texts, const CancelCheck&) {
    if (texts.front() == "x") throw std::runtime_error("no such kernel");
  };
  const auto gate = hold();
  auto bad = predict(1, {"a", "b", "x", "c", "d", "e"}), good = predict(2, {"f", "g"});
  gate->open();
  EXPECT_EQ(bad.get().message, "no such kernel");
  EXPECT_EQ(good.get().value.logits, (std::vector<float>{1, 0, 1, 0}));
}

TEST_F(EngineTest, DisposingStopsEveryWorker) {
  options.threads = Threads::several(2, 1);
  std::atomic<int> stopped = 0;
  std::latch arrived(2);
  Gate gate;
  auto opened = std::make_shared<std::promise<void>>();
  script->on_predict = [&, open = opened->get_future().share()](const Texts&,
                                                                const CancelCheck& cancelled) {
    arrived.count_down();
    open.wait();
    if (cancelled()) ++stopped;
  };
  auto first = predict(1, {"a"}), second = predict(2, {"b"});
  arrived.wait();
  engine().dispose();
  EXPECT_EQ(first.get().code, "ERR_DISPOSED");
  EXPECT_EQ(second.get().code, "ERR_DISPOSED");
  opened->set_value();
  engine_.reset();
  EXPECT_EQ(stopped, 2);
}

// ---- cancellation

TEST_F(EngineTest, CancellingAQueuedCallSettlesItAtOnceAndDropsItsRows) {
  const auto gate = hold();
  auto cancelled = predict(1, {"a", "b"}), other = predict(2, {"c"});
  EXPECT_TRUE(engine().cancel(1));
  ASSERT_TRUE(ready(cancelled));  // while the engine is still held
  EXPECT_EQ(cancelled.get().code, "ERR_CANCELLED");
  EXPECT_EQ(engine().stats().queued_rows, 1);
  EXPECT_EQ(engine().stats().cancelled, 1);
  gate->open();
  other.get();
  EXPECT_EQ(events(), Events{"c"});
}

TEST_F(EngineTest, CancellingAQueuedStepSettlesItAtOnceAndLeavesTheWeights) {
  const auto gate = hold();
  auto step = train(1, {"t", "u"});
  auto after = predict(2, {"a"});
  EXPECT_TRUE(engine().cancel(1));
  ASSERT_TRUE(ready(step));
  EXPECT_EQ(step.get().code, "ERR_CANCELLED");
  EXPECT_EQ(engine().stats().queued_rows, 1);
  gate->open();
  EXPECT_EQ(after.get().value.logits, (std::vector<float>{1, 0}));
  EXPECT_EQ(events(), Events{"a"});
}

TEST_F(EngineTest, ARunningBatchStopsBetweenLayersOnceNobodyWaitsForIt) {
  const auto gate = hold_first_batch();
  auto running = predict(1, {"a"});
  gate->wait_for_arrival();
  EXPECT_TRUE(engine().cancel(1));
  ASSERT_TRUE(ready(running));
  EXPECT_EQ(running.get().code, "ERR_CANCELLED");
  auto next = predict(2, {"b"});
  gate->open();
  EXPECT_EQ(next.get().code, "");
  EXPECT_EQ(events(), (Events{"a", "stopped", "b"}));
}

TEST_F(EngineTest, ARunningBatchGoesOnForThoseWhoStillWait) {
  const auto start = hold();
  const auto gate = hold_first_batch();
  auto cancelled = predict(1, {"a", "b"}), other = predict(2, {"c"});
  start->open();
  gate->wait_for_arrival();
  EXPECT_TRUE(engine().cancel(1));
  EXPECT_EQ(cancelled.get().code, "ERR_CANCELLED");
  gate->open();
  EXPECT_EQ(other.get().value.logits, (std::vector<float>{1, 0}));
  EXPECT_EQ(events(), Events{"a c b"});
}

TEST_F(EngineTest, CancellingACallInTheMiddleDropsItsRemainingRows) {
  options.max_batch_tokens = 1;
  const auto gate = hold_first_batch();
  auto large = predict(1, {"a", "b", "c"}), other = predict(2, {"x"});
  gate->wait_for_arrival();
  EXPECT_TRUE(engine().cancel(1));
  gate->open();
  other.get();
  EXPECT_EQ(large.get().code, "ERR_CANCELLED");
  EXPECT_EQ(events(), (Events{"a", "stopped", "x"}));
}

TEST_F(EngineTest, ARunningStepThatCanStillStopEndsCancelled) {
  Gate gate;
  script->on_train = [&gate](const TrainRequest&, const CancelCheck& cancelled) {
    gate.pass();
    if (cancelled()) fail("ERR_CANCELLED", "Stopped between layers");
  };
  auto step = train(1, {"t"});
  gate.wait_for_arrival();
  EXPECT_FALSE(engine().cancel(1));
  EXPECT_FALSE(ready(step));  // it says how it ended, not what was asked of it
  gate.open();
  EXPECT_EQ(step.get().code, "ERR_CANCELLED");
  EXPECT_EQ(engine().stats().cancelled, 1);
  EXPECT_EQ(engine().stats().steps, 0);
}

TEST_F(EngineTest, ARunningStepThatIsPastStoppingEndsWithItsResult) {
  Gate gate;
  script->on_train = [&gate](const TrainRequest&, const CancelCheck&) { gate.pass(); };
  auto step = train(1, {"t"});
  gate.wait_for_arrival();
  EXPECT_FALSE(engine().cancel(1));
  gate.open();
  const auto result = step.get();
  EXPECT_EQ(result.code, "");
  EXPECT_EQ(result.value.step, 1);
}

TEST_F(EngineTest, CancellingWhatIsDoneOrUnknownIsTooLate) {
  predict(1, {"a"}).get();
  EXPECT_FALSE(engine().cancel(1));
  EXPECT_FALSE(engine().cancel(77));
  EXPECT_EQ(engine().stats().cancelled, 0);
}

// ---- errors

TEST_F(EngineTest, AnIdBelongsToOneOpenCallAtATime) {
  const auto gate = hold();
  auto first = predict(1, {"a"});
  EXPECT_EQ(predict(1, {"b"}).get().code, "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(train(1, {"c"}).get().code, "ERR_INVALID_ARGUMENT");
  gate->open();
  EXPECT_EQ(first.get().code, "");
  EXPECT_EQ(predict(1, {"again"}).get().code, "");
}

TEST_F(EngineTest, ARowThatCannotBePreparedFailsItsCallAndNoOther) {
  const auto gate = hold();
  auto before = predict(1, {"a"}), bad = predict(2, {"b", "!", "c"}),
       after = predict(3, {"d", "e"});
  gate->open();
  const auto result = bad.get();
  EXPECT_EQ(result.code, "ERR_INVALID_INPUT");
  EXPECT_EQ(result.message, "Row 1 can't be prepared");
  EXPECT_TRUE(result.value.logits.empty());
  EXPECT_EQ(before.get().code, "");
  EXPECT_EQ(after.get().value.logits, (std::vector<float>{1, 0, 1, 0}));
  EXPECT_EQ(events(), Events{"a d e"});
}

TEST_F(EngineTest, AnErrorOfABatchReachesItsCallsAndTheEngineGoesOn) {
  options.max_batch_tokens = 2;
  script->on_predict = [](const Texts& texts, const CancelCheck&) {
    if (texts.front() == "bad") throw std::runtime_error("no such kernel");
  };
  const auto gate = hold();
  auto bad = predict(1, {"bad", "never"}), good = predict(2, {"ok"});
  gate->open();
  const auto result = bad.get();
  EXPECT_EQ(result.code, "ERR_INTERNAL");
  EXPECT_EQ(result.message, "no such kernel");
  EXPECT_EQ(good.get().code, "");
  EXPECT_EQ(events(), (Events{"bad", "ok"}));
  EXPECT_EQ(engine().stats().rows, 1);
}

TEST_F(EngineTest, EveryCallOfAFailedBatchFails) {
  script->on_predict = [](const Texts&, const CancelCheck&) { throw std::bad_alloc(); };
  const auto gate = hold();
  auto first = predict(1, {"a"}), second = predict(2, {"b", "c"});
  gate->open();
  EXPECT_EQ(first.get().code, "ERR_OUT_OF_MEMORY");
  EXPECT_EQ(second.get().code, "ERR_OUT_OF_MEMORY");
}

TEST_F(EngineTest, AnErrorOfACallThatIsABatchReachesIt) {
  script->call_is_batch = true;
  script->on_predict = [](const Texts&, const CancelCheck&) {
    fail("ERR_SEQUENCE_TOO_SHORT", "shorter than a kernel");
  };
  EXPECT_EQ(predict(1, {"a"}).get().code, "ERR_SEQUENCE_TOO_SHORT");
}

TEST_F(EngineTest, AnErrorOfAStepOrATaskReachesItAndTheEngineGoesOn) {
  script->on_train = [](const TrainRequest&, const CancelCheck&) {
    fail("ERR_INVALID_LABELS", "Label 3 is not below 2");
  };
  EXPECT_EQ(train(1, {"t"}).get().code, "ERR_INVALID_LABELS");
  EXPECT_EQ(run([](Compute&) { fail("ERR_IO", "disk full"); }).get().code, "ERR_IO");
  EXPECT_EQ(run([](Compute&) { throw 1; }).get().code, "ERR_INTERNAL");
  EXPECT_EQ(predict(2, {"a"}).get().code, "");
  EXPECT_EQ(engine().stats().steps, 0);
}

// ---- the queue's bound

TEST_F(EngineTest, AFullQueueRefusesAtOnceAndSaysItsDepth) {
  options.max_queue_rows = 4;
  const auto gate = hold();
  auto first = predict(1, {"a", "b"}), none = predict(2, {});
  auto step = train(3, {"t"});
  auto refused = predict(4, {"c", "d"});
  ASSERT_TRUE(ready(refused));
  const auto result = refused.get();
  EXPECT_EQ(result.code, "ERR_QUEUE_FULL");
  EXPECT_NE(result.message.find("holds 3 rows"), std::string::npos) << result.message;
  EXPECT_EQ(train(5, {"t", "u"}).get().code, "ERR_QUEUE_FULL");
  auto fits = predict(4, {"c"});
  EXPECT_EQ(predict(6, {"d"}).get().code, "ERR_QUEUE_FULL");
  auto task = run([](Compute&) {});  // has no rows, so it is never refused
  EXPECT_EQ(engine().stats().refused, 3);
  gate->open();
  EXPECT_EQ(fits.get().code, "");
  EXPECT_EQ(task.get().code, "");
  EXPECT_EQ(predict(7, {"d", "e", "f", "g"}).get().code, "");
}

TEST_F(EngineTest, CancellingMakesRoomInTheQueue) {
  options.max_queue_rows = 1;
  const auto gate = hold();
  auto first = predict(1, {"a"});
  EXPECT_EQ(predict(2, {"b"}).get().code, "ERR_QUEUE_FULL");
  engine().cancel(1);
  auto second = predict(2, {"b"});
  gate->open();
  EXPECT_EQ(second.get().code, "");
}

// ---- starting and ending

TEST_F(EngineTest, TheComputationIsMadeUsedAndDestroyedOnOneThreadOfTheEngine) {
  std::thread::id made, used, destroyed;
  script->on_destroy = [&destroyed] { destroyed = std::this_thread::get_id(); };
  script->on_predict = [&used](const Texts&, const CancelCheck&) {
    used = std::this_thread::get_id();
  };
  engine_.emplace(
      options,
      [&made, this](const CancelCheck&) {
        made = std::this_thread::get_id();
        return std::make_unique<FakeCompute>(script);
      },
      [](const Failure&) {});
  predict(1, {"a"}).get();
  engine_.reset();
  EXPECT_NE(made, std::this_thread::get_id());
  EXPECT_EQ(used, made);
  EXPECT_EQ(destroyed, made);
}

TEST_F(EngineTest, CallsMayBeQueuedBeforeTheComputationIsThere) {
  Gate loading;
  std::promise<Failure> started;
  engine_.emplace(
      options,
      [&loading, this](const CancelCheck&) {
        loading.pass();
        return std::make_unique<FakeCompute>(script);
      },
      [&started](const Failure& failure) { started.set_value(failure); });
  loading.wait_for_arrival();
  auto early = predict(1, {"a"});
  loading.open();
  EXPECT_EQ(started.get_future().get(), nullptr);
  EXPECT_EQ(early.get().code, "");
}

TEST_F(EngineTest, WhatCannotBeLoadedFailsTheStartAndTheCallsThatWait) {
  Gate loading;
  std::promise<Failure> started;
  engine_.emplace(
      options,
      [&loading](const CancelCheck&) -> std::unique_ptr<Compute> {
        loading.pass();
        fail("ERR_FILE_NOT_FOUND", "no config.json");
      },
      [&started](const Failure& failure) { started.set_value(failure); });
  loading.wait_for_arrival();
  auto early = predict(1, {"a"});
  loading.open();
  EXPECT_EQ(started.get_future().get()->code(), "ERR_FILE_NOT_FOUND");
  EXPECT_EQ(early.get().code, "ERR_FILE_NOT_FOUND");
  EXPECT_EQ(predict(2, {"b"}).get().code, "ERR_DISPOSED");
}

TEST_F(EngineTest, DisposingWhileLoadingFailsTheStart) {
  Gate loading;
  std::promise<Failure> started;
  engine_.emplace(
      options,
      [&loading, this](const CancelCheck&) {
        loading.pass();
        return std::make_unique<FakeCompute>(script);
      },
      [&started](const Failure& failure) { started.set_value(failure); });
  loading.wait_for_arrival();
  engine().dispose();
  loading.open();
  EXPECT_EQ(started.get_future().get()->code(), "ERR_DISPOSED");
}

TEST_F(EngineTest, DisposingAsksLoadingToGiveUp) {
  Gate loading;
  std::promise<Failure> started;
  bool before = true, after = false;
  engine_.emplace(
      options,
      [&](const CancelCheck& cancelled) -> std::unique_ptr<Compute> {
        before = cancelled();
        loading.pass();
        after = cancelled();
        fail("ERR_CANCELLED", "given up");
      },
      [&started](const Failure& failure) { started.set_value(failure); });
  loading.wait_for_arrival();
  engine().dispose();
  loading.open();
  EXPECT_EQ(started.get_future().get()->code(), "ERR_DISPOSED");
  EXPECT_FALSE(before);
  EXPECT_TRUE(after);
}

TEST_F(EngineTest, DisposingSettlesWhatIsQueuedAtOnce) {
  const auto gate = hold();
  auto queued = predict(1, {"a"}), low = predict(2, {"b"}, -1);
  auto step = train(3, {"t"});
  auto task = run([](Compute&) {});
  auto late = predict(4, {"c"});
  std::promise<void> gone;
  engine().dispose([&gone] { gone.set_value(); });
  ASSERT_TRUE(ready(queued) && ready(low) && ready(step) && ready(task) && ready(late));
  EXPECT_EQ(queued.get().code, "ERR_DISPOSED");
  EXPECT_EQ(low.get().code, "ERR_DISPOSED");
  EXPECT_EQ(step.get().code, "ERR_DISPOSED");
  EXPECT_EQ(task.get().code, "ERR_DISPOSED");
  EXPECT_EQ(late.get().code, "ERR_DISPOSED");
  EXPECT_EQ(engine().stats().queued_rows, 0);
  gate->open();
  gone.get_future().wait();
  EXPECT_EQ(events(), Events{});
}

TEST_F(EngineTest, CallsAfterDisposingAreRefused) {
  engine().dispose();
  EXPECT_EQ(predict(1, {"a"}).get().code, "ERR_DISPOSED");
  EXPECT_EQ(train(2, {"t"}).get().code, "ERR_DISPOSED");
  EXPECT_EQ(run([](Compute&) {}).get().code, "ERR_DISPOSED");
  EXPECT_FALSE(engine().cancel(1));
}

TEST_F(EngineTest, DisposingStopsTheRunningBatchBetweenLayers) {
  const auto gate = hold_first_batch();
  auto running = predict(1, {"a"});
  gate->wait_for_arrival();
  engine().dispose();
  ASSERT_TRUE(ready(running));
  EXPECT_EQ(running.get().code, "ERR_DISPOSED");
  gate->open();
  engine_.reset();
  EXPECT_EQ(events(), (Events{"a", "stopped"}));
}

TEST_F(EngineTest, DisposingAsksARunningStepToStop) {
  Gate gate;
  script->on_train = [&gate](const TrainRequest&, const CancelCheck& cancelled) {
    gate.pass();
    if (cancelled()) fail("ERR_CANCELLED", "Stopped between layers");
  };
  auto step = train(1, {"t"});
  gate.wait_for_arrival();
  engine().dispose();
  gate.open();
  EXPECT_EQ(step.get().code, "ERR_DISPOSED");
}

TEST_F(EngineTest, ARunningTaskEndsBeforeTheEngineDoes) {
  Gate gate;
  auto task = run([&gate, this](Compute&) {
    gate.pass();
    script->record("written");
  });
  gate.wait_for_arrival();
  engine().dispose();
  gate.open();
  EXPECT_EQ(task.get().code, "");
  EXPECT_EQ(events(), Events{"written"});
}

TEST_F(EngineTest, DisposingAgainAnswersAgain) {
  for (int time = 0; time < 2; ++time) {
    std::promise<void> gone;
    engine().dispose([&gone] { gone.set_value(); });
    gone.get_future().wait();
  }
}

TEST_F(EngineTest, TheComputationIsGoneWhenDisposingAnswers) {
  script->on_destroy = [this] { script->record("destroyed"); };
  run([](Compute&) {}).get();  // it is there
  std::promise<Events> seen;
  engine().dispose([&seen, this] { seen.set_value(script->events()); });
  EXPECT_EQ(seen.get_future().get(), Events{"destroyed"});
}

// ---- counters and callbacks

TEST_F(EngineTest, CountsRowsBatchesTokensAndSteps) {
  options.max_batch_tokens = 4;
  const auto gate = hold();
  auto result = predict(1, {"aaa", "bb", "c"});
  auto step = train(2, {"t"});
  EXPECT_EQ(engine().stats().queued_rows, 4);
  gate->open();
  result.get();
  step.get();
  const EngineStats stats = engine().stats();
  EXPECT_EQ(stats.queued_rows, 0);
  EXPECT_EQ(stats.rows, 3);
  EXPECT_EQ(stats.batches, 2);
  EXPECT_EQ(stats.tokens, 6);
  EXPECT_EQ(stats.steps, 1);
}

TEST_F(EngineTest, CallbacksMayUseTheEngine) {
  std::promise<std::string> inner;
  engine().predict(1, Texts{"a"}, 0, [&](const Failure&, Prediction&&) {
    engine().predict(2, Texts{"b"}, 0, [&](const Failure& failure, Prediction&&) {
      inner.set_value(failure ? failure->code() : "answered");
    });
    engine().stats();
    engine().cancel(1);
  });
  EXPECT_EQ(inner.get_future().get(), "answered");
}

class EngineWithThreads : public EngineTest, public testing::WithParamInterface<Threads> {};

INSTANTIATE_TEST_SUITE_P(, EngineWithThreads,
                         testing::Values(Threads::one(1), Threads::several(3, 1),
                                         Threads::automatic(2)));

TEST_P(EngineWithThreads, ManyThreadsGetEveryAnswerOnceWhileOthersCancel) {
  options.threads = GetParam();
  options.max_batch_tokens = 16;
  constexpr int kThreads = 4, kCalls = 200;
  engine();
  std::atomic<int> answered = 0, cancelled = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kCalls; ++i) {
        const CallId id = thread * kCalls + i;
        engine().predict(id, Texts{"a", "bb"}, i % 3,
                         [&](const Failure& failure, Prediction&& prediction) {
                           if (failure) {
                             cancelled += failure->code() == "ERR_CANCELLED";
                           } else {
                             answered += prediction.logits == std::vector<float>{1, 0, 2, 0};
                           }
                         });
        if (i % 2 == 1) engine().cancel(id - thread % 2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  run([](Compute&) {}).get();  // a barrier: all that was asked for before is settled
  EXPECT_EQ(answered + cancelled, kThreads * kCalls);
  EXPECT_EQ(engine().stats().cancelled, cancelled);
}

}  // namespace
}  // namespace bertcnn::engine
