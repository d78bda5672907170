#include "kernels/windows.h"

#include <cstddef>

namespace bertcnn::kernels {

std::vector<Window> cut_windows(int64_t tokens, int64_t size, int64_t overlap) {
  if (tokens <= size) return {{0, tokens, 0, tokens}};
  const int64_t step = size - overlap;
  const int64_t behind_first = tokens - size;  // tokens behind the first window
  const int64_t last = (behind_first + step - 1) / step;
  std::vector<Window> windows;
  windows.reserve(static_cast<size_t>(last) + 1);
  for (int64_t i = 0; i <= last; ++i) {
    const int64_t begin = i * behind_first / last;
    windows.push_back({begin, begin + size, 0, tokens});
    if (i == 0) continue;
    // Before it a token has more behind it in the former window than in front of it in this one.
    const int64_t border = (windows[i - 1].end + begin + 1) / 2;
    windows[i - 1].kept_end = border;
    windows[i].kept_begin = border;
  }
  return windows;
}

}  // namespace bertcnn::kernels
