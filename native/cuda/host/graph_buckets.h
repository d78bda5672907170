// Which batches run as a recorded graph, and how far each is filled up for that.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace bertcnn::cuda {

/// The size of a batch, or of the graph that a batch is filled up to.
struct BatchShape {
  int64_t tokens;
  int64_t sequences;
  int64_t longest;  // tokens of the longest sequence

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the operator's own 0 for a pointer
  friend auto operator<=>(const BatchShape&, const BatchShape&) = default;
};

/// Tokens beyond which a batch's kernels take so long that starting them one by one costs nothing.
constexpr int64_t kMostGraphTokens = 8192;

/// The graph for a batch: at most an eighth more tokens, or fewer than 16; sequences the next power
/// of two; the longest sequence as the tokens, but no more than `most_positions`. Nothing where
/// the batch is too large to gain.
std::optional<BatchShape> graph_shape(const BatchShape& batch, int64_t most_positions);

}  // namespace bertcnn::cuda
