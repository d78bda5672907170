#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine_fixture.h"

namespace bertcnn::engine::test {
namespace {

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
        const int64_t id = thread * kCalls + i;
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

// ---- warming up

TEST_F(EngineTest, WarmingUpIsDoneByEveryThreadAndNotCounted) {
  options.threads = Threads::several(3, 1);
  options.max_batch_tokens = 64;
  std::mutex mutex;
  std::map<std::thread::id, std::vector<size_t>> seen;
  script->on_predict = [&](const Texts& texts, const CancelCheck&) {
    const std::lock_guard lock(mutex);
    seen[std::this_thread::get_id()].push_back(texts.size() * texts.front().size());
  };
  EXPECT_EQ(warm_up().get().code, "");
  EXPECT_EQ(seen.size(), 4U);
  for (const auto& [thread, tokens] : seen) EXPECT_EQ(tokens, (std::vector<size_t>{16, 128, 64}));
  EXPECT_EQ(engine().stats().batches, 0);
  EXPECT_EQ(warm_up().get().code, "");
  for (const auto& [thread, tokens] : seen) EXPECT_EQ(tokens.size(), 6U);
}

TEST_F(EngineTest, WarmingUpIsABarrier) {
  const auto gate = hold();
  auto before = predict(1, {"a"});
  auto warm = warm_up();
  auto after = predict(2, {"b"});
  gate->open();
  after.get();
  EXPECT_EQ(before.get().code, "");
  EXPECT_EQ(warm.get().code, "");
  EXPECT_EQ(events().front(), "a");
  EXPECT_EQ(events().back(), "b");
  EXPECT_EQ(events().size(), 5U);
}

TEST_F(EngineTest, CallsThatAreBatchesAreWarmedUpAsSuch) {
  script->call_is_batch = true;
  EXPECT_EQ(warm_up().get().code, "");
  EXPECT_EQ(events().front(), std::string(16, 'x'));
}

TEST_F(EngineTest, WhatFailsInWarmingUpFailsIt) {
  options.threads = Threads::several(2, 1);
  std::thread::id lead;
  script->on_predict = [&lead](const Texts&, const CancelCheck&) {
    if (std::this_thread::get_id() != lead) throw std::bad_alloc();
  };
  run([&lead](Compute&) { lead = std::this_thread::get_id(); }).get();
  EXPECT_EQ(warm_up().get().code, "ERR_OUT_OF_MEMORY");
}

TEST_F(EngineTest, DisposingEndsWarmingUp) {
  options.threads = Threads::several(2, 1);
  const auto gate = hold_first_batch();
  auto warm = warm_up();
  gate->wait_for_arrival();
  engine().dispose();
  gate->open();
  EXPECT_EQ(warm.get().code, "ERR_DISPOSED");
}

}  // namespace
}  // namespace bertcnn::engine::test
