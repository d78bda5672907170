#include "engine/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine_fixture.h"

namespace bertcnn::engine::test {
namespace {

using namespace std::chrono_literals;

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

TEST_F(EngineTest, CallsThatAreAskedForTogetherAreTakenTogether) {
  run([](Compute&) {}).get();  // the lead waits for work
  std::promise<void> first, second;
  const auto ask = [this](CallId id, const char* text, std::promise<void>& answered) {
    engine().predict(
        id, Texts{text}, 0, [&answered](const Failure&, Prediction&&) { answered.set_value(); },
        /*more_follow=*/true);
  };
  ask(1, "a", first);
  ask(2, "b", second);
  engine().wake();
  first.get_future().wait();
  second.get_future().wait();
  EXPECT_EQ(engine().stats().rows, 2);
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

TEST_F(EngineTest, CountsTheSizesOfBatches) {
  options.max_batch_tokens = 8;
  const auto gate = hold();
  auto result = predict(1, {"aaa", "bb", "c", "dd", "eeeeeeeee"});
  gate->open();
  result.get();  // 4 rows of 8 tokens, 1 row of 9
  const EngineStats stats = engine().stats();
  EXPECT_EQ(stats.batch_rows.counts[0], 1);
  EXPECT_EQ(stats.batch_rows.counts[1], 0);
  EXPECT_EQ(stats.batch_rows.counts[2], 1);
  EXPECT_EQ(stats.batch_tokens.counts[3], 2);
}

TEST(Histogram, PutsWhatIsBeyondAllPowersToTheLast) {
  Histogram histogram;
  histogram.add(int64_t{1} << 50);
  histogram.add(1);
  EXPECT_EQ(histogram.counts.front(), 1);
  EXPECT_EQ(histogram.counts.back(), 1);
}

TEST_F(EngineTest, CountsTheTimeOfEachStageOfItsRows) {
  options.max_batch_tokens = 2;
  script->on_prepare = [this] { clock->advance(1ms); };
  script->on_predict = [this](const Texts&, const CancelCheck&) { clock->advance(10ms); };
  const auto gate = hold();
  auto result = predict(1, {"a", "b", "c"});
  clock->advance(100ms);
  gate->open();
  result.get();
  const EngineStats stats = engine().stats();
  EXPECT_EQ(stats.tokenizer_time, 3ms);
  EXPECT_EQ(stats.compute_time, 20ms);
  // "a" and "b" until both and "c", which does not fit, are prepared; "c" one batch longer
  EXPECT_EQ(stats.queue_time, 2 * 103ms + 113ms);
}

TEST_F(EngineTest, CountsTheTimeOfCallsThatAreBatches) {
  script->call_is_batch = true;
  script->on_predict = [this](const Texts&, const CancelCheck&) { clock->advance(10ms); };
  const auto gate = hold();
  auto result = predict(1, {"a", "b"});
  clock->advance(100ms);
  gate->open();
  result.get();
  EXPECT_EQ(engine().stats().compute_time, 10ms);
  EXPECT_EQ(engine().stats().queue_time, 200ms);
}

TEST_F(EngineTest, CountsTimeoutsApart) {
  const auto gate = hold();
  auto late = predict(1, {"a"});
  EXPECT_TRUE(engine().cancel(1, /*timed_out=*/true));
  EXPECT_EQ(engine().stats().timed_out, 1);
  EXPECT_EQ(engine().stats().cancelled, 0);
  gate->open();
  EXPECT_EQ(late.get().code, "ERR_CANCELLED");
}

TEST_F(EngineTest, SaysHowManyThreadsPredict) {
  options.threads = Threads::several(3, 2);
  run([](Compute&) {}).get();
  EXPECT_EQ(engine().stats().workers, 3);
  EXPECT_EQ(engine().stats().clients, 1);
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

}  // namespace
}  // namespace bertcnn::engine::test
