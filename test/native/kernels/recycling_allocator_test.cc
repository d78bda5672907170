#include "kernels/recycling_allocator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace bertcnn::kernels {
namespace {

constexpr int64_t kMiB = 1 << 20;

class RecyclingAllocator : public ::testing::Test {
 protected:
  RecyclingAllocator() {
    install_recycling_allocator();
    release_recycled_memory();
  }
  ~RecyclingAllocator() override { release_recycled_memory(); }

  static at::Tensor bytes(int64_t count) { return at::empty({count}, at::kByte); }
};

TEST_F(RecyclingAllocator, GivesAFreedBlockToTheNextTensorOfAboutItsSize) {
  at::Tensor first = bytes(3 * kMiB);
  const void* place = first.const_data_ptr();
  first.reset();
  EXPECT_EQ(recycled_bytes(), 3 * kMiB);
  const at::Tensor small = bytes(kMiB);  // a third of it: not from that block
  EXPECT_NE(small.const_data_ptr(), place);
  const at::Tensor second = bytes(3 * kMiB - 100);
  EXPECT_EQ(second.const_data_ptr(), place);
  EXPECT_EQ(recycled_bytes(), 0);
}

TEST_F(RecyclingAllocator, KeepsNeitherSmallNorHugeBlocksNorMoreThanItsLimit) {
  bytes(1000).reset();
  bytes(49 * kMiB).reset();
  EXPECT_EQ(recycled_bytes(), 0);
  std::vector<at::Tensor> many;
  for (int i = 0; i < 8; ++i) many.push_back(bytes(40 * kMiB));
  many.clear();
  EXPECT_EQ(recycled_bytes(), 3 * 40 * kMiB);
  release_recycled_memory();
  EXPECT_EQ(recycled_bytes(), 0);
}

TEST_F(RecyclingAllocator, DropsWhatHasNotBeenUsedForLongest) {
  std::vector<at::Tensor> many;
  for (int i = 0; i < 3; ++i) many.push_back(bytes(40 * kMiB));
  many.push_back(bytes(20 * kMiB));
  const void* oldest = many[0].const_data_ptr();
  const void* newest = many[2].const_data_ptr();
  for (at::Tensor& tensor : many) tensor.reset();
  EXPECT_EQ(recycled_bytes(), (2 * 40 + 20) * kMiB);
  const at::Tensor second = bytes(40 * kMiB);
  EXPECT_EQ(second.const_data_ptr(), newest);
  EXPECT_NE(bytes(40 * kMiB).const_data_ptr(), oldest);
  EXPECT_EQ(recycled_bytes(), (40 + 20) * kMiB);
}

TEST_F(RecyclingAllocator, HeldKeepsAShareMoreThanWasInUseAtOnce) {
  {
    const HeldMemory held(0.25);
    std::vector<at::Tensor> many;
    for (int i = 0; i < 8; ++i) many.push_back(bytes(64 * kMiB));
    const void* last = many.back().const_data_ptr();
    many.clear();
    EXPECT_EQ(recycled_bytes(), 8 * 64 * kMiB);
    // Other sizes take the place of what has not been used for longest.
    for (int i = 0; i < 2; ++i) many.push_back(bytes(256 * kMiB));
    EXPECT_EQ(recycled_bytes(), 2 * 64 * kMiB);
    EXPECT_EQ(bytes(64 * kMiB).const_data_ptr(), last);
    const HeldMemory another(0);
  }
  EXPECT_EQ(recycled_bytes(), 0);  // all are larger than what is kept otherwise
}

TEST_F(RecyclingAllocator, TellsWhereTheSystemHasNoMemory) {
  EXPECT_THROW(bytes(int64_t{1} << 60), c10::Error);
}

TEST_F(RecyclingAllocator, AlignsAsLibtorchDoesAndTakesEmptyTensors) {
  for (const int64_t size : {1L, 63L, 4096L, 300000L, 5 * kMiB}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes(size).const_data_ptr()) % 64, 0);
  }
  EXPECT_EQ(bytes(0).numel(), 0);
  at::Tensor grown = at::arange(10);
  grown.resize_({100000});
  EXPECT_EQ(grown[9].item<int64_t>(), 9);
}

TEST_F(RecyclingAllocator, ServesSeveralThreads) {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 200; ++i) {
        const at::Tensor x = at::full({(i % 5 + 1) * 100000}, thread, at::kFloat);
        if (!x.eq(thread).all().item<bool>()) ++wrong[thread];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace bertcnn::kernels
