// How a text that is too long for the encoder is cut into windows that overlap.
#pragma once

#include <cstdint>
#include <vector>

namespace bertcnn::kernels {

/// The tokens `[begin, end)` of a text; of these the window's state of `[kept_begin, kept_end)` is
/// the text's.
struct Window {
  int64_t begin;
  int64_t end;
  int64_t kept_begin;
  int64_t kept_end;

  friend bool operator==(const Window&, const Window&) = default;
};

/// Cuts `tokens` tokens into as few windows of `size` tokens as overlap by `overlap` or more; they
/// lie at equal distances, give or take a token. Each token is kept by the window where it is
/// farthest from an edge that the text goes on behind: there it has most context on its shorter
/// side. Of two such windows it is the earlier. A text of at most `size` tokens is one window.
/// `size` is 1 or more, `overlap` from 0 to below it.
std::vector<Window> cut_windows(int64_t tokens, int64_t size, int64_t overlap);

}  // namespace bertcnn::kernels
