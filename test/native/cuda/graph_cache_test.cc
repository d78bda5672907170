#include "cuda/host/graph_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

namespace bertcnn::cuda {
namespace {

/// A device whose graphs are counted.
struct FakeDevice {
  struct Graph {
    explicit Graph(FakeDevice& on, BatchShape of) : device(on), shape(of) { ++device.alive; }
    ~Graph() { --device.alive; }
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;
    FakeDevice& device;
    BatchShape shape;
  };

  int alive = 0;
  int most_alive = 0;
  int recorded = 0;

  auto recording(BatchShape shape) {
    return [this, shape] {
      ++recorded;
      auto graph = std::make_unique<Graph>(*this, shape);
      most_alive = std::max(most_alive, alive);
      return graph;
    };
  }
};

using Cache = GraphCache<FakeDevice::Graph>;

BatchShape shape(int64_t tokens) {
  return {tokens, 1, tokens};
}

FakeDevice::Graph* use(Cache& cache, FakeDevice& device, int64_t tokens) {
  return cache.find(shape(tokens), device.recording(shape(tokens)));
}

void use_until_recorded(Cache& cache, FakeDevice& device, int64_t tokens) {
  for (int i = 0; i < Cache::kUsesBefore; ++i) use(cache, device, tokens);
}

TEST(GraphCache, RecordsAShapeThatComesAgainAndAgain) {
  FakeDevice device;
  Cache cache(4);
  EXPECT_EQ(use(cache, device, 16), nullptr);
  EXPECT_EQ(use(cache, device, 16), nullptr);
  FakeDevice::Graph* graph = use(cache, device, 16);
  ASSERT_NE(graph, nullptr);
  EXPECT_EQ(graph->shape, shape(16));
  EXPECT_EQ(use(cache, device, 16), graph);
  EXPECT_EQ(device.recorded, 1);
}

TEST(GraphCache, DropsWhatWasNotAskedForTheLongest) {
  FakeDevice device;
  Cache cache(2);
  use_until_recorded(cache, device, 16);
  use_until_recorded(cache, device, 32);
  use(cache, device, 16);
  use_until_recorded(cache, device, 48);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(device.alive, 2);
  EXPECT_NE(use(cache, device, 16), nullptr);
  EXPECT_EQ(use(cache, device, 32), nullptr);
}

TEST(GraphCache, NeverHoldsMoreThanItsBound) {
  FakeDevice device;
  Cache cache(5);
  std::mt19937 random(1);
  for (int i = 0; i < 10'000; ++i) use(cache, device, 1 + static_cast<int64_t>(random() % 40));
  EXPECT_GT(device.recorded, 5);
  EXPECT_EQ(device.most_alive, 5);
  EXPECT_EQ(cache.size(), 5U);
}

TEST(GraphCache, GoesOnWhereRecordingFails) {
  FakeDevice device;
  Cache cache(2);
  const auto failing = []() -> std::unique_ptr<FakeDevice::Graph> {
    throw std::runtime_error("no memory");
  };
  cache.find(shape(16), failing);
  cache.find(shape(16), failing);
  EXPECT_THROW(cache.find(shape(16), failing), std::runtime_error);
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(use(cache, device, 16), nullptr) << "as many uses again";
  use(cache, device, 16);
  EXPECT_NE(use(cache, device, 16), nullptr);
}

TEST(GraphCache, DropsAllWhenWeightsChange) {
  FakeDevice device;
  Cache cache(3);
  use_until_recorded(cache, device, 16);
  use_until_recorded(cache, device, 32);
  cache.clear();
  EXPECT_EQ(device.alive, 0);
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(use(cache, device, 16), nullptr);
}

}  // namespace
}  // namespace bertcnn::cuda
