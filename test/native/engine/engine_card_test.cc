// What a Compute on a card tells the engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine_fixture.h"

namespace bertcnn::engine::test {
namespace {

TEST_F(EngineTest, BatchesAreAsLargeAsTheComputationWouldHaveThem) {
  script->usual_batch_tokens = 4;
  const auto gate = hold();
  auto result = predict(1, {"aa", "bb", "cc"});
  gate->open();
  result.get();
  EXPECT_EQ(events(), (Events{"aa bb", "cc"}));
}

TEST_F(EngineTest, AnOptionForTheSizeOfBatchesDecidesOverTheComputation) {
  script->usual_batch_tokens = 4;
  options.max_batch_tokens = 100;
  const auto gate = hold();
  auto result = predict(1, {"aa", "bb", "cc"});
  gate->open();
  result.get();
  EXPECT_EQ(events(), Events{"aa bb cc"});
}

TEST_F(EngineTest, WarmingUpPredictsEachBatchAsOftenAsTheComputationWants) {
  script->warm_runs = 3;
  EXPECT_EQ(warm_up().get().code, "");
  const Events all = events();
  const std::string text_of_16(16, 'x');
  EXPECT_EQ(std::ranges::count(all, text_of_16), 3);
  EXPECT_EQ(all.size(), 9U);
}

TEST_F(EngineTest, StatsHaveTheMemoryThatTheComputationToldOfLast) {
  script->memory = {.allocated = 5, .reserved = 8, .peak = 6};
  predict(1, {"a"}).get();
  run([](Compute&) {}).get();
  const DeviceMemory memory = engine().stats().memory;
  EXPECT_EQ(memory.allocated, 5);
  EXPECT_EQ(memory.reserved, 8);
  EXPECT_EQ(memory.peak, 6);
}

}  // namespace
}  // namespace bertcnn::engine::test
