#include "cuda/host/batch_splitter.h"

#include <gtest/gtest.h>

#include <new>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

namespace bertcnn::cuda {
namespace {

/// A device with memory for so many tokens.
struct FakeDevice {
  std::vector<int64_t> tokens;
  int64_t room;
  std::vector<std::pair<int64_t, int64_t>> parts;  // that were computed
  int failures = 0;
  int freed = 0;

  BatchSplitter::Steps steps() {
    return {.compute =
                [this](int64_t first, int64_t end) {
                  if (std::accumulate(tokens.begin() + first, tokens.begin() + end, int64_t{0}) >
                      room) {
                    ++failures;
                    throw std::bad_alloc();
                  }
                  parts.emplace_back(first, end);
                },
            .ran_out =
                [] {
                  try {
                    throw;
                  } catch (const std::bad_alloc&) {
                    return true;
                  } catch (...) {
                    return false;
                  }
                },
            .free_memory = [this] { ++freed; }};
  }

  void run(BatchSplitter& splitter) {
    parts.clear();
    splitter.run(tokens, steps());
  }
};

/// Whether the parts are all rows, each once and in order.
void expect_all_rows(const FakeDevice& device) {
  int64_t next = 0;
  for (const auto& [first, end] : device.parts) {
    EXPECT_EQ(first, next);
    next = end;
  }
  EXPECT_EQ(next, std::ssize(device.tokens));
}

TEST(BatchSplitter, LeavesABatchWholeThatFits) {
  FakeDevice device{.tokens = {10, 20, 30}, .room = 60};
  BatchSplitter splitter;
  device.run(splitter);
  EXPECT_EQ(device.parts.size(), 1U);
  EXPECT_EQ(device.freed, 0);
  EXPECT_EQ(splitter.most_tokens(), 0);
}

TEST(BatchSplitter, ComputesEveryRowOnceWhereMemoryRunsOut) {
  FakeDevice device{.tokens = std::vector<int64_t>(64, 16), .room = 100};
  BatchSplitter splitter;
  device.run(splitter);
  expect_all_rows(device);
  EXPECT_EQ(device.failures, 4) << "1024, 512, 256, 128 tokens";
  EXPECT_EQ(device.freed, device.failures);
}

TEST(BatchSplitter, RemembersWhatWasTooMuch) {
  FakeDevice device{.tokens = std::vector<int64_t>(64, 16), .room = 100};
  BatchSplitter splitter;
  device.run(splitter);
  const int failures = device.failures;
  device.run(splitter);
  expect_all_rows(device);
  EXPECT_EQ(device.failures, failures);
}

TEST(BatchSplitter, TriesMoreAgainOnceMemoryMayBeThere) {
  FakeDevice device{.tokens = std::vector<int64_t>(64, 16), .room = 100};
  BatchSplitter splitter;
  device.run(splitter);
  device.room = 1 << 20;
  for (int i = 0; i < 200; ++i) device.run(splitter);
  EXPECT_EQ(device.parts.size(), 1U);
}

TEST(BatchSplitter, TakesARowAloneThatIsLongerThanTheBound) {
  FakeDevice device{.tokens = {60, 60, 100, 5}, .room = 100};
  BatchSplitter splitter;
  device.run(splitter);
  expect_all_rows(device);
}

TEST(BatchSplitter, ThrowsWhereASingleRowIsTooMuch) {
  FakeDevice device{.tokens = {10, 500, 10}, .room = 100};
  BatchSplitter splitter;
  EXPECT_THROW(device.run(splitter), std::bad_alloc);
}

TEST(BatchSplitter, PassesOnWhatHasNothingToDoWithMemory) {
  FakeDevice device{.tokens = {1, 2, 3}, .room = 100};
  BatchSplitter splitter;
  BatchSplitter::Steps steps = device.steps();
  int calls = 0;
  steps.compute = [&](int64_t /*first*/, int64_t /*end*/) {
    ++calls;
    throw std::runtime_error("cancelled");
  };
  EXPECT_THROW(splitter.run(device.tokens, steps), std::runtime_error);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(splitter.most_tokens(), 0);
}

TEST(BatchSplitter, HasNothingToDoForNoRows) {
  FakeDevice device{.tokens = {}, .room = 0};
  BatchSplitter splitter;
  device.run(splitter);
  EXPECT_TRUE(device.parts.empty());
}

}  // namespace
}  // namespace bertcnn::cuda
