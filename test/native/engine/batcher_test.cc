#include "engine/batcher.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bertcnn::engine {
namespace {

TimePoint at(int64_t seconds) {
  return TimePoint(std::chrono::seconds(seconds));
}

std::shared_ptr<PredictCall> prediction(int64_t number, int64_t rows, int64_t priority = 0,
                                        int64_t arrived = 0) {
  auto call = std::make_shared<PredictCall>(number);
  call->rows = rows;
  call->priority = priority;
  call->arrived = at(arrived);
  return call;
}

std::shared_ptr<BarrierCall> barrier(int64_t rows = 0, ClientId client = 0) {
  auto call = std::make_shared<BarrierCall>();
  call->rows = rows;
  call->client = client;
  return call;
}

/// The priority of the next batch where nothing has waited too long.
std::optional<int64_t> next_priority(Batcher& batcher) {
  return batcher.choose_priority(TimePoint::min());
}

/// Takes all rows up to the next barrier, as "call:row call:row".
std::string take_rows(Batcher& batcher) {
  std::string order;
  while (const auto priority = next_priority(batcher)) {
    const auto taken = batcher.take_row(*priority);
    if (!order.empty()) order += ' ';
    order.append(std::to_string(taken->call->id.number))
        .append(":")
        .append(std::to_string(taken->row));
  }
  return order;
}

/// Takes one row of priority 0, prepared.
TakenRow take_row(Batcher& batcher) {
  TakenRow taken = *batcher.take_row(0);
  taken.tokens.emplace();
  return taken;
}

TEST(Batcher, IsEmptyAtFirst) {
  Batcher batcher;
  EXPECT_TRUE(batcher.empty());
  EXPECT_EQ(batcher.rows(), 0);
  EXPECT_EQ(next_priority(batcher), std::nullopt);
  EXPECT_FALSE(batcher.take_row(0));
  EXPECT_EQ(batcher.take_call(0), nullptr);
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
  batcher.push(prediction(1, 3));
  batcher.take_row(0);
  batcher.push(prediction(2, 1));
  EXPECT_EQ(take_rows(batcher), "1:1 2:0 1:2");
}

TEST(Batcher, ARowThatIsGivenBackIsNextAgain) {
  Batcher batcher;
  batcher.push(prediction(1, 2));
  batcher.push(prediction(2, 1));
  TakenRow first = take_row(batcher);
  TakenRow last = take_row(batcher);  // the only one of its call, which leaves the queue
  batcher.give_back(last);
  batcher.give_back(first);
  EXPECT_EQ(batcher.rows(), 3);
  const auto again = batcher.take_row(0);
  EXPECT_EQ(again->call->id.number, 1);
  EXPECT_EQ(again->row, 0);
  EXPECT_TRUE(again->tokens);
  EXPECT_EQ(take_rows(batcher), "2:0 1:1");
}

TEST(Batcher, ManyRowsGivenBackInReverseAreAsIfNeverTaken) {
  Batcher batcher;
  batcher.push(prediction(1, 3));
  batcher.push(prediction(2, 1));
  batcher.push(prediction(3, 2));
  std::vector<TakenRow> taken;
  for (int i = 0; i < 5; ++i) taken.push_back(take_row(batcher));
  batcher.push(prediction(4, 1));
  while (!taken.empty()) {
    batcher.give_back(taken.back());
    taken.pop_back();
  }
  EXPECT_EQ(take_rows(batcher), "1:0 2:0 3:0 4:0 1:1 3:1 1:2");
}

TEST(Batcher, ARowIsGivenBackToTheFrontOfWhatWaitsWhereItsBarrierIsGone) {
  Batcher batcher;
  const auto removed = barrier();
  batcher.push(prediction(1, 1));
  batcher.push(removed);
  batcher.push(prediction(2, 1));
  TakenRow row = take_row(batcher);
  batcher.remove(*removed);
  EXPECT_EQ(batcher.rows_before_barrier(), 1);
  batcher.give_back(row);
  EXPECT_EQ(batcher.rows_before_barrier(), 2);
  EXPECT_EQ(take_rows(batcher), "1:0 2:0");
}

TEST(Batcher, TakesAWholeCall) {
  Batcher batcher;
  const auto call = prediction(1, 3);
  batcher.push(call);
  batcher.push(prediction(2, 1));
  EXPECT_EQ(batcher.calls_before_barrier(), 2);
  EXPECT_EQ(batcher.take_call(0), call);
  EXPECT_EQ(batcher.calls_before_barrier(), 1);
  EXPECT_EQ(batcher.rows(), 1);
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
  batcher.take_row(0);
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
  EXPECT_EQ(batcher.rows_before_barrier(), 3);
  EXPECT_EQ(batcher.calls_before_barrier(), 1);
  batcher.take_row(0);
  EXPECT_EQ(batcher.rows(), 7);
  EXPECT_EQ(batcher.rows_before_barrier(), 2);
  take_rows(batcher);
  EXPECT_EQ(batcher.rows(), 5);
  batcher.take_barrier();
  EXPECT_EQ(batcher.rows(), 0);
}

TEST(Batcher, RowsThatWaitTooLongGetEverySecondBatch) {
  Batcher batcher;
  batcher.push(prediction(1, 9, 0, 10));
  batcher.push(prediction(2, 9, 5, 20));
  EXPECT_EQ(batcher.choose_priority(at(9)), 5);
  EXPECT_EQ(batcher.choose_priority(at(9)), 5);
  EXPECT_EQ(batcher.choose_priority(at(10)), 0);
  EXPECT_EQ(batcher.choose_priority(at(10)), 5);
  EXPECT_EQ(batcher.choose_priority(at(10)), 0);
}

TEST(Batcher, OfThoseThatWaitTooLongTheOldestGoFirst) {
  Batcher batcher;
  batcher.push(prediction(1, 1, 1, 30));
  batcher.push(prediction(2, 1, 0, 10));
  batcher.push(prediction(3, 1, 0, 40));
  batcher.push(prediction(4, 1, 2, 0));
  EXPECT_EQ(batcher.oldest_arrival(), at(0));
  EXPECT_EQ(batcher.choose_priority(at(50)), 0);
  EXPECT_EQ(batcher.take_row(0)->call->id.number, 2);
  EXPECT_EQ(batcher.choose_priority(at(50)), 2);
  EXPECT_EQ(batcher.choose_priority(at(50)), 1);  // 30 is older than 40
}

TEST(Batcher, TheHighestPriorityAloneNeedsNoFavour) {
  Batcher batcher;
  batcher.push(prediction(1, 2, 0, 0));
  EXPECT_EQ(batcher.choose_priority(at(50)), 0);
  EXPECT_EQ(batcher.choose_priority(at(50)), 0);
}

TEST(Batcher, ARowThatIsGivenBackIsAsOldAsItWas) {
  Batcher batcher;
  batcher.push(prediction(1, 1, 0, 10));
  TakenRow row = take_row(batcher);
  batcher.push(prediction(2, 1, 0, 20));
  EXPECT_EQ(batcher.oldest_arrival(), at(20));
  batcher.give_back(row);
  EXPECT_EQ(batcher.oldest_arrival(), at(10));
}

TEST(Batcher, SaysWhetherABarrierFollows) {
  Batcher batcher;
  batcher.push(prediction(1, 1));
  EXPECT_TRUE(batcher.predictions_are_next());
  EXPECT_FALSE(batcher.barrier_follows());
  batcher.push(barrier());
  EXPECT_TRUE(batcher.barrier_follows());
  EXPECT_FALSE(batcher.barrier_is_next());
  batcher.take_row(0);
  EXPECT_TRUE(batcher.barrier_is_next());
  EXPECT_FALSE(batcher.predictions_are_next());
}

TEST(Batcher, RemovesTheBarriersOfAClient) {
  Batcher batcher;
  const auto theirs = barrier(2, 1), ours = barrier(3, 2), also = barrier(4, 1);
  for (const auto& one : {theirs, ours, also}) batcher.push(one);
  EXPECT_EQ(batcher.remove_barrier(1), theirs);
  EXPECT_EQ(batcher.remove_barrier(1), also);
  EXPECT_EQ(batcher.remove_barrier(1), nullptr);
  EXPECT_EQ(batcher.rows(), 3);
  EXPECT_EQ(batcher.take_barrier(), ours);
  EXPECT_TRUE(batcher.empty());
}

TEST(Batcher, RemovesTheBarriersOfAllClients) {
  Batcher batcher;
  const auto call = prediction(1, 3);
  const auto first = barrier(2, 1), second = barrier(0, 2);
  batcher.push(call);
  batcher.push(first);
  batcher.push(second);
  EXPECT_EQ(batcher.remove_barrier(std::nullopt), first);
  EXPECT_EQ(batcher.remove_barrier(std::nullopt), second);
  EXPECT_EQ(batcher.remove_barrier(std::nullopt), nullptr);
  EXPECT_EQ(batcher.rows(), 3);
  batcher.remove(*call);
  EXPECT_TRUE(batcher.empty());
  EXPECT_EQ(batcher.rows(), 0);
  batcher.remove(*call);  // a call that is out of the queue can still be removed, without effect
  EXPECT_EQ(batcher.rows(), 0);
}

}  // namespace
}  // namespace bertcnn::engine
