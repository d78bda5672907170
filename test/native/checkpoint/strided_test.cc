#include "checkpoint/strided.h"

#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

StridedView view_of(std::string_view storage, int64_t offset, std::vector<int64_t> shape,
                    std::vector<int64_t> stride) {
  return {std::as_bytes(std::span(storage)), 1, offset, std::move(shape), std::move(stride)};
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(StridedView, GathersInRowMajorOrder) {
  EXPECT_EQ(text_of(view_of("abcdef", 0, {3, 2}, {1, 3}).gather()), "adbecf");
  EXPECT_EQ(text_of(view_of("abcdef", 1, {2, 2}, {3, 1}).gather()), "bcef");
  EXPECT_EQ(text_of(view_of("abcdefgh", 0, {2, 2, 2}, {1, 2, 4}).gather()), "aecgbfdh");
  EXPECT_EQ(text_of(view_of("abcdef", 5, {1}, {9}).gather()), "f");
  EXPECT_EQ(text_of(view_of("ab", 0, {3, 2}, {0, 1}).gather()), "ababab");
}

TEST(StridedView, KnowsContiguousLayouts) {
  EXPECT_TRUE(view_of("abcdef", 0, {2, 3}, {3, 1}).is_contiguous());
  EXPECT_TRUE(view_of("abcdef", 2, {}, {}).is_contiguous());
  EXPECT_TRUE(view_of("abcdef", 3, {1, 3}, {7, 1}).is_contiguous());
  EXPECT_TRUE(view_of("abcdef", 0, {0, 3}, {9, 9}).is_contiguous());
  EXPECT_FALSE(view_of("abcdef", 0, {3, 2}, {1, 3}).is_contiguous());
  EXPECT_FALSE(view_of("abcdef", 0, {3}, {2}).is_contiguous());
  EXPECT_FALSE(view_of("abcdef", 0, {3}, {0}).is_contiguous());
  EXPECT_EQ(text_of(view_of("abcdef", 3, {1, 3}, {7, 1}).contiguous_bytes()), "def");
  EXPECT_EQ(text_of(view_of("abcdef", 2, {}, {}).contiguous_bytes()), "c");
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
