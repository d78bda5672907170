#include "cuda/host/graph_buckets.h"

#include <gtest/gtest.h>

namespace bertcnn::cuda {
namespace {

constexpr int64_t kPositions = 512;

TEST(GraphShape, HoldsTheBatch) {
  for (int64_t tokens = 1; tokens <= kMostGraphTokens; tokens += 7) {
    const BatchShape batch{tokens, 1 + tokens / 30, std::min<int64_t>(tokens, 100)};
    const auto graph = graph_shape(batch, kPositions);
    ASSERT_TRUE(graph);
    EXPECT_GE(graph->tokens, batch.tokens);
    EXPECT_GE(graph->sequences, batch.sequences);
    EXPECT_GE(graph->longest, batch.longest);
  }
}

TEST(GraphShape, WastesAtMostAnEighthOfTheTokens) {
  for (int64_t tokens = 1; tokens <= kMostGraphTokens; ++tokens) {
    const int64_t more = graph_shape({tokens, 1, 1}, kPositions)->tokens - tokens;
    EXPECT_TRUE(more < 16 || more * 8 <= tokens) << tokens;
  }
}

TEST(GraphShape, GivesFewShapesToManyBatches) {
  EXPECT_EQ(graph_shape({1000, 33, 120}, kPositions), graph_shape({980, 40, 125}, kPositions));
  EXPECT_EQ(graph_shape({1000, 33, 120}, kPositions), (BatchShape{1024, 64, 128}));
}

TEST(GraphShape, IsNoLongerThanTheModelReads) {
  EXPECT_EQ(graph_shape({500, 1, 500}, 500)->longest, 500);
}

TEST(GraphShape, IsTheSameForWhatItHolds) {
  const auto graph = graph_shape({700, 20, 90}, kPositions);
  EXPECT_EQ(graph_shape(*graph, kPositions), graph);
}

TEST(GraphShape, IsNoneOfBatchesThatGainNothing) {
  EXPECT_EQ(graph_shape({kMostGraphTokens + 1, 1, 1}, kPositions), std::nullopt);
  EXPECT_EQ(graph_shape({0, 0, 0}, kPositions), std::nullopt);
}

}  // namespace
}  // namespace bertcnn::cuda
