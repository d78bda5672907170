#include "engine/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine_fixture.h"

namespace bertcnn::engine::test {
namespace {

using namespace std::chrono_literals;

// ---- waiting for more, and for too long

TEST_F(EngineTest, ABatchWaitsUntilItsOldestRowIsAsOldAsAsked) {
  options.max_queue_delay = 10ms;
  auto first = predict(1, {"a"});
  clock->wait_for_waiting(10ms);
  clock->advance(6ms);
  auto second = predict(2, {"b"});
  clock->wait_for_waiting(10ms);
  EXPECT_FALSE(ready(first));
  // The thread that gathers may have the rows in its hands just now; it puts them back.
  while (engine().stats().queued_rows != 2) std::this_thread::yield();
  clock->advance(4ms);
  EXPECT_EQ(first.get().code, "");
  EXPECT_EQ(second.get().code, "");
  EXPECT_EQ(events(), Events{"a b"});
}

TEST_F(EngineTest, ABatchThatIsFullDoesNotWait) {
  options.max_queue_delay = 10ms;
  options.max_batch_tokens = 3;
  auto first = predict(1, {"a"});
  clock->wait_for_waiting(10ms);
  auto second = predict(2, {"bb"}), third = predict(3, {"c"});
  EXPECT_EQ(first.get().code, "");
  EXPECT_EQ(second.get().code, "");
  clock->wait_for_waiting(10ms);  // for the third
  clock->advance(10ms);
  EXPECT_EQ(third.get().code, "");
  EXPECT_EQ(events(), (Events{"a bb", "c"}));
}

TEST_F(EngineTest, ABatchThatCannotGrowDoesNotWait) {
  options.max_queue_delay = 10ms;
  options.max_queue_rows = 2;
  auto first = predict(1, {"a"});
  auto step = train(2, {"t"});  // nothing joins the first across it
  EXPECT_EQ(first.get().code, "");
  EXPECT_EQ(step.get().code, "");
  auto full = predict(3, {"b", "c"});  // the queue has no room for more
  EXPECT_EQ(full.get().code, "");
  EXPECT_EQ(events(), (Events{"a", "step", "b c"}));
}

TEST_F(EngineTest, ARowThatWaitsForMoreCanBeCancelledAndOvertaken) {
  options.max_queue_delay = 10ms;
  auto cancelled = predict(1, {"a"}), low = predict(2, {"b"});
  clock->wait_for_waiting(10ms);
  EXPECT_TRUE(engine().cancel(1));
  auto high = predict(3, {"c"}, 1);
  clock->advance(10ms);
  EXPECT_EQ(high.get().code, "");
  EXPECT_EQ(low.get().code, "");
  EXPECT_EQ(cancelled.get().code, "ERR_CANCELLED");
  EXPECT_EQ(events(), (Events{"c", "b"}));
}

TEST_F(EngineTest, WorkersWaitForMoreToo) {
  options.threads = Threads::automatic(2);
  options.max_queue_delay = 10ms;
  auto first = predict(1, {"a"});
  clock->wait_for_waiting(10ms);
  auto second = predict(2, {"b"});
  clock->wait_for_waiting(10ms);
  clock->advance(10ms);
  first.get();
  second.get();
  EXPECT_EQ(events(), Events{"a b"});
}

TEST_F(EngineTest, RowsThatWaitTooLongGetEverySecondBatch) {
  options.max_batch_tokens = 1;
  options.max_priority_age = 5ms;
  const auto gate = hold();
  auto low = predict(1, {"l", "m"});
  clock->advance(5ms);
  auto high = predict(2, {"a", "b", "c"}, 1);
  gate->open();
  low.get();
  high.get();
  EXPECT_EQ(events(), (Events{"l", "a", "m", "b", "c"}));
}

TEST_F(EngineTest, CallsThatAreBatchesDoNotStarveEither) {
  script->call_is_batch = true;
  options.max_priority_age = 5ms;
  const auto gate = hold();
  auto low = predict(1, {"low"});
  clock->advance(5ms);
  auto high = predict(2, {"high"}, 1);
  gate->open();
  low.get();
  high.get();
  EXPECT_EQ(events(), (Events{"low", "high"}));
}

}  // namespace
}  // namespace bertcnn::engine::test
