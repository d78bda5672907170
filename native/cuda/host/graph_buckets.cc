#include "cuda/host/graph_buckets.h"

#include <algorithm>
#include <bit>

namespace bertcnn::cuda {
namespace {

constexpr int64_t kSmallestStep = 16;

/// The next multiple of an eighth of the power of two below: steps of 6 to 12 %.
int64_t round_up(int64_t size) {
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(size)));
  const int64_t step = std::max(kSmallestStep, power / 8);
  return (size + step - 1) / step * step;
}

}  // namespace

std::optional<BatchShape> graph_shape(const BatchShape& batch, int64_t most_positions) {
  if (batch.tokens <= 0 || batch.tokens > kMostGraphTokens) return std::nullopt;
  const auto sequences = static_cast<int64_t>(
      std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(batch.sequences, 1))));
  const int64_t longest =
      std::max(batch.longest, std::min(round_up(batch.longest), most_positions));
  return BatchShape{round_up(batch.tokens), sequences, longest};
}

}  // namespace bertcnn::cuda
