#include "kernels/windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace bertcnn::kernels {
namespace {

TEST(Windows, AShortTextIsOne) {
  EXPECT_EQ(cut_windows(0, 4, 2), (std::vector<Window>{{0, 0, 0, 0}}));
  EXPECT_EQ(cut_windows(4, 4, 2), (std::vector<Window>{{0, 4, 0, 4}}));
}

TEST(Windows, OneTokenMoreIsTwo) {
  EXPECT_EQ(cut_windows(5, 4, 2), (std::vector<Window>{{0, 4, 0, 3}, {1, 5, 3, 5}}));
  EXPECT_EQ(cut_windows(5, 4, 0), (std::vector<Window>{{0, 4, 0, 3}, {1, 5, 3, 5}}));
  EXPECT_EQ(cut_windows(2, 1, 0), (std::vector<Window>{{0, 1, 0, 1}, {1, 2, 1, 2}}));
}

/// Tokens on the shorter side of `token` in the window, where the text's own ends are no edges.
int64_t context_of(int64_t token, const Window& window, int64_t tokens) {
  constexpr int64_t kAll = std::numeric_limits<int64_t>::max();
  const int64_t before = window.begin == 0 ? kAll : token - window.begin;
  const int64_t behind = window.end == tokens ? kAll : window.end - 1 - token;
  return std::min(before, behind);
}

TEST(Windows, EachTokenIsKeptWhereItHasMostContext) {
  for (int64_t tokens = 1; tokens < 60; ++tokens) {
    for (int64_t size = 1; size < 12; ++size) {
      for (int64_t overlap = 0; overlap < size; ++overlap) {
        const std::vector<Window> windows = cut_windows(tokens, size, overlap);
        int64_t next = 0;
        for (const Window& window : windows) {
          EXPECT_EQ(window.kept_begin, next);
          EXPECT_LE(window.begin, window.kept_begin);
          EXPECT_LE(window.kept_begin, window.kept_end);
          EXPECT_LE(window.kept_end, window.end);
          next = window.kept_end;
          for (int64_t token = window.kept_begin; token < window.kept_end; ++token) {
            for (const Window& other : windows) {
              if (token < other.begin || token >= other.end) continue;
              EXPECT_GE(context_of(token, window, tokens), context_of(token, other, tokens))
                  << "token " << token << " of " << tokens << ", " << size << ", " << overlap;
            }
          }
        }
        EXPECT_EQ(next, tokens);
      }
    }
  }
}

TEST(Windows, AreAsFewAsOverlapEnough) {
  for (int64_t tokens = 1; tokens < 60; ++tokens) {
    for (int64_t size = 1; size < 12; ++size) {
      for (int64_t overlap = 0; overlap < size; ++overlap) {
        const std::vector<Window> windows = cut_windows(tokens, size, overlap);
        for (size_t i = 0; i < windows.size(); ++i) {
          EXPECT_EQ(windows[i].end - windows[i].begin, std::min(tokens, size));
          if (i > 0) EXPECT_GE(windows[i - 1].end - windows[i].begin, overlap);
        }
        // One fewer would not reach the end.
        const auto fewer = static_cast<int64_t>(windows.size()) - 1;
        if (fewer > 0) EXPECT_LT(size + (fewer - 1) * (size - overlap), tokens);
      }
    }
  }
}

}  // namespace
}  // namespace bertcnn::kernels
