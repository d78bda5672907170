#include "text/truncation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace bertcnn::text {
namespace {

constexpr Truncation kStrategies[] = {Truncation::kLongestFirst, Truncation::kOnlyFirst,
                                      Truncation::kOnlySecond};

TEST(Truncation, KeepsAsMuchAsThereIsRoomForAndNoMore) {
  for (const Truncation strategy : kStrategies) {
    for (size_t first = 0; first < 9; ++first) {
      for (size_t second = 0; second < 9; ++second) {
        for (size_t room = 0; room < 20; ++room) {
          const PairLengths kept = truncate_pair({first, second}, room, strategy);
          EXPECT_LE(kept.first, first);
          EXPECT_LE(kept.second, second);
          EXPECT_EQ(kept.first + kept.second, std::min(first + second, room));
        }
      }
    }
  }
}

TEST(Truncation, LongestFirstSparesTheShorterText) {
  const PairLengths kept = truncate_pair({2, 50}, 10, Truncation::kLongestFirst);
  EXPECT_EQ(kept.first, 2u);
  EXPECT_EQ(kept.second, 8u);
}

TEST(Truncation, TheLongerTextGetsTheOddToken) {
  EXPECT_EQ(truncate_pair({51, 50}, 11, Truncation::kLongestFirst).first, 6u);
  EXPECT_EQ(truncate_pair({50, 51}, 11, Truncation::kLongestFirst).first, 5u);
  EXPECT_EQ(truncate_pair({50, 50}, 11, Truncation::kLongestFirst).first, 5u);
}

TEST(Truncation, OnlyTheNamedTextIsCutWhereItIsLongEnough) {
  EXPECT_EQ(truncate_pair({9, 5}, 10, Truncation::kOnlyFirst).second, 5u);
  EXPECT_EQ(truncate_pair({9, 5}, 10, Truncation::kOnlySecond).first, 9u);
}

TEST(Truncation, WhereTheNamedTextIsTooShortTheOtherIsCutToo) {
  const PairLengths kept = truncate_pair({2, 30}, 10, Truncation::kOnlyFirst);
  EXPECT_EQ(kept.first, 0u);
  EXPECT_EQ(kept.second, 10u);
}

TEST(Truncation, LengthsNearTheLargestDoNotOverflow) {
  EXPECT_EQ(truncate_pair({5, 5}, SIZE_MAX, Truncation::kLongestFirst).first, 5u);
}

}  // namespace
}  // namespace bertcnn::text
