#include "engine/batcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace bertcnn::engine {
namespace {

std::shared_ptr<PredictCall> prediction(CallId id, int64_t rows, int64_t priority = 0) {
  auto call = std::make_shared<PredictCall>();
  call->id = id;
  call->rows = rows;
  call->priority = priority;
  return call;
}

std::shared_ptr<BarrierCall> barrier(int64_t rows = 0) {
  auto call = std::make_shared<BarrierCall>();
  call->rows = rows;
  return call;
}

/// Takes all rows up to the next barrier, as "call:row call:row".
std::string take_rows(Batcher& batcher) {
  std::string order;
  while (const auto call = batcher.next_prediction()) {
    if (!order.empty()) order += ' ';
    order.append(std::to_string(call->id)).append(":").append(std::to_string(call->next_row));
    batcher.take_row(*call);
  }
  return order;
}

TEST(Batcher, IsEmptyAtFirst) {
  Batcher batcher;
  EXPECT_TRUE(batcher.empty());
  EXPECT_EQ(batcher.rows(), 0);
  EXPECT_EQ(batcher.next_prediction(), nullptr);
  EXPECT_EQ(batcher.take_barrier(), nullptr);
}

TEST(Batcher, CallsGiveARowEachInTurn) {
  Batcher batcher;
  batcher.push(prediction(1, 4));
  batcher.push(prediction(2, 1));
  batcher.push(prediction(3, 2));
  EXPECT_EQ(take_rows(batcher), "1:0 2:0 3:0 1:1 3:1 1:2 1:3");
  EXPECT_TRUE(batcher.empty());
}

TEST(Batcher, ACallThatComesLaterTakesItsTurnBehindThoseThatWait) {
  Batcher batcher;
  const auto large = prediction(1, 3);
  batcher.push(large);
  batcher.take_row(*large);
  batcher.push(prediction(2, 1));
  EXPECT_EQ(take_rows(batcher), "1:1 2:0 1:2");
}

TEST(Batcher, HigherPrioritiesGoFirst) {
  Batcher batcher;
  batcher.push(prediction(1, 2, -1));
  batcher.push(prediction(2, 2));
  batcher.push(prediction(3, 1, 5));
  batcher.push(prediction(4, 1));
  EXPECT_EQ(take_rows(batcher), "3:0 2:0 4:0 2:1 1:0 1:1");
}

TEST(Batcher, NothingCrossesABarrier) {
  Batcher batcher;
  const auto first = barrier(), second = barrier();
  batcher.push(prediction(1, 1));
  batcher.push(first);
  batcher.push(prediction(2, 1, 9));
  batcher.push(second);
  batcher.push(prediction(3, 1));
  EXPECT_EQ(batcher.take_barrier(), nullptr);
  EXPECT_EQ(take_rows(batcher), "1:0");
  EXPECT_EQ(batcher.take_barrier(), first);
  EXPECT_EQ(take_rows(batcher), "2:0");
  EXPECT_EQ(batcher.take_barrier(), second);
  EXPECT_EQ(take_rows(batcher), "3:0");
  EXPECT_TRUE(batcher.empty());
}

TEST(Batcher, BarriersFollowEachOtherInOrder) {
  Batcher batcher;
  const auto first = barrier(), second = barrier();
  batcher.push(first);
  batcher.push(second);
  EXPECT_EQ(batcher.take_barrier(), first);
  EXPECT_FALSE(batcher.empty());
  EXPECT_EQ(batcher.take_barrier(), second);
  EXPECT_TRUE(batcher.empty());
}

TEST(Batcher, ARemovedBarrierHoldsNobodyBack) {
  Batcher batcher;
  const auto removed = barrier(8), stays = barrier();
  batcher.push(prediction(1, 1));
  batcher.push(removed);
  batcher.push(prediction(2, 1));
  batcher.push(stays);
  EXPECT_TRUE(batcher.remove(*removed));
  EXPECT_FALSE(batcher.remove(*removed));
  EXPECT_EQ(batcher.rows(), 2);
  EXPECT_EQ(take_rows(batcher), "1:0 2:0");
  EXPECT_EQ(batcher.take_barrier(), stays);
}

TEST(Batcher, ARemovedCallLeavesTheTurnToOthers) {
  Batcher batcher;
  const auto removed = prediction(1, 3);
  batcher.push(removed);
  batcher.push(prediction(2, 2));
  batcher.take_row(*removed);
  batcher.remove(*removed);
  batcher.remove(*removed);
  EXPECT_EQ(batcher.rows(), 2);
  EXPECT_EQ(take_rows(batcher), "2:0 2:1");
}

TEST(Batcher, CountsTheRowsThatWait) {
  Batcher batcher;
  const auto call = prediction(1, 3);
  batcher.push(call);
  batcher.push(barrier(5));
  EXPECT_EQ(batcher.rows(), 8);
  batcher.take_row(*call);
  EXPECT_EQ(batcher.rows(), 7);
  take_rows(batcher);
  EXPECT_EQ(batcher.rows(), 5);
  batcher.take_barrier();
  EXPECT_EQ(batcher.rows(), 0);
}

TEST(Batcher, ClearingAnswersTheBarriersAndLeavesNothing) {
  Batcher batcher;
  const auto call = prediction(1, 3);
  const auto first = barrier(2), second = barrier();
  batcher.push(call);
  batcher.push(first);
  batcher.push(second);
  const std::vector<std::shared_ptr<BarrierCall>> expected{first, second};
  EXPECT_EQ(batcher.clear(), expected);
  EXPECT_TRUE(batcher.empty());
  EXPECT_EQ(batcher.rows(), 0);
  batcher.remove(*call);  // a call that was cleared can still be removed, without effect
  EXPECT_EQ(batcher.rows(), 0);
}

}  // namespace
}  // namespace bertcnn::engine
