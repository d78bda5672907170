#include "checkpoint/strided.h"

#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

using namespace std::string_literals;

StridedView view_of(std::string_view storage, int64_t offset, std::vector<int64_t> shape,
                    std::vector<int64_t> stride) {
  return {std::as_bytes(std::span(storage)), 1, offset, std::move(shape), std::move(stride)};
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The view's elements in row-major order, and the numbers of elements of its runs.
std::pair<std::string, std::vector<int64_t>> runs_of(const StridedView& view, int64_t most = 100,
                                                     int64_t longest = 100) {
  std::string text(static_cast<size_t>(std::accumulate(view.shape.begin(), view.shape.end(),
                                                       int64_t{1}, std::multiplies<>())),
                   '?');
  std::vector<int64_t> counts;
  int64_t before = -1;
  for_each_run(view.shape, view.stride, most, longest, [&](const Run& run) {
    EXPECT_GT(run.from, before) << "runs go forward";
    for (int64_t i = 0; i < run.count; ++i) {
      before = run.from + i * run.from_step;
      text[static_cast<size_t>(run.to + i * run.to_step)] =
          static_cast<char>(view.extent()[static_cast<size_t>(before)]);
    }
    counts.push_back(run.count);
  });
  return {text, counts};
}

TEST(StridedView, IsWalkedInTheOrderOfItsStorage) {
  using Counts = std::vector<int64_t>;
  EXPECT_EQ(runs_of(view_of("abcdef", 0, {3, 2}, {1, 3})), std::pair("adbecf"s, Counts{3, 3}));
  EXPECT_EQ(runs_of(view_of("abcdef", 1, {2, 2}, {3, 1})), std::pair("bcef"s, Counts{2, 2}));
  EXPECT_EQ(runs_of(view_of("abcdefgh", 0, {2, 2, 2}, {1, 2, 4})),
            std::pair("aecgbfdh"s, Counts{2, 2, 2, 2}));
  EXPECT_EQ(runs_of(view_of("abcdef", 5, {1}, {9})), std::pair("f"s, Counts{1}));
  EXPECT_EQ(runs_of(view_of("abcdefg", 0, {4}, {2})), std::pair("aceg"s, Counts{4}));
  EXPECT_EQ(runs_of(view_of("abcd", 1, {}, {})), std::pair("b"s, Counts{1}));
}

TEST(StridedView, IsWalkedInRunsThatAreNotTooLong) {
  using Counts = std::vector<int64_t>;
  const StridedView view = view_of("abcdefghi", 0, {5}, {2});
  EXPECT_EQ(runs_of(view, 2), std::pair("acegi"s, Counts{2, 2, 1}));
  EXPECT_EQ(runs_of(view, 100, 6), std::pair("acegi"s, Counts{3, 2}));
  EXPECT_EQ(runs_of(view, 100, 1), std::pair("acegi"s, Counts{1, 1, 1, 1, 1}));
}

TEST(StridedView, KnowsWhereElementsShareTheirPlaces) {
  EXPECT_FALSE(view_of("abcdef", 0, {3, 2}, {1, 3}).repeats());
  EXPECT_FALSE(view_of("abcdef", 0, {1, 1, 2}, {0, 0, 1}).repeats());
  EXPECT_FALSE(view_of("abcdef", 0, {0, 3}, {0, 0}).repeats());
  EXPECT_TRUE(view_of("ab", 0, {3, 2}, {0, 1}).repeats());
  EXPECT_TRUE(view_of("abcd", 0, {3, 2}, {1, 1}).repeats());
  EXPECT_TRUE(view_of("abcdefgh", 0, {3, 2}, {2, 3}).repeats()) << "they lie between each other";
}

TEST(StridedView, KnowsContiguousLayouts) {
  EXPECT_TRUE(view_of("abcdef", 0, {2, 3}, {3, 1}).is_contiguous());
  EXPECT_TRUE(view_of("abcdef", 2, {}, {}).is_contiguous());
  EXPECT_TRUE(view_of("abcdef", 3, {1, 3}, {7, 1}).is_contiguous());
  EXPECT_TRUE(view_of("abcdef", 0, {0, 3}, {9, 9}).is_contiguous());
  EXPECT_FALSE(view_of("abcdef", 0, {3, 2}, {1, 3}).is_contiguous());
  EXPECT_FALSE(view_of("abcdef", 0, {3}, {2}).is_contiguous());
  EXPECT_FALSE(view_of("abcdef", 0, {3}, {0}).is_contiguous());
  EXPECT_EQ(text_of(view_of("abcdef", 3, {1, 3}, {7, 1}).extent()), "def");
  EXPECT_EQ(text_of(view_of("abcdef", 2, {}, {}).extent()), "c");
}

TEST(StridedView, FitsOnlyInsideItsStorage) {
  EXPECT_TRUE(view_of("abcdef", 0, {3, 2}, {1, 3}).fits());
  EXPECT_TRUE(view_of("abcdef", 6, {0}, {1}).fits());
  EXPECT_FALSE(view_of("abcdef", 1, {3, 2}, {1, 3}).fits());
  EXPECT_FALSE(view_of("", 0, {}, {}).fits());
  EXPECT_FALSE(view_of("abcdef", INT64_MAX, {2}, {INT64_MAX}).fits());
}

}  // namespace
}  // namespace bertcnn::checkpoint
