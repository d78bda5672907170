#include "cuda/host/batch_splitter.h"

#include <algorithm>
#include <numeric>

namespace bertcnn::cuda {

/// As many rows as the bound allows, but at least one.
int64_t BatchSplitter::end_of_part(std::span<const int64_t> tokens, int64_t first) const {
  const auto rows = static_cast<int64_t>(tokens.size());
  if (most_tokens_ == 0) return rows;
  int64_t end = first + 1;
  for (int64_t sum = tokens[first]; end < rows && sum + tokens[end] <= most_tokens_; ++end) {
    sum += tokens[end];
  }
  return end;
}

void BatchSplitter::note_failure(int64_t tokens) {
  most_tokens_ = std::max<int64_t>(1, tokens / 2);
  successes_ = 0;
}

void BatchSplitter::note_success() {
  if (most_tokens_ == 0 || ++successes_ < kPartsBeforeMore) return;
  most_tokens_ *= 2;
  successes_ = 0;
}

void BatchSplitter::run(std::span<const int64_t> tokens, const Steps& steps) {
  const auto rows = static_cast<int64_t>(tokens.size());
  for (int64_t first = 0; first < rows;) {
    const int64_t end = end_of_part(tokens, first);
    try {
      steps.compute(first, end);
    } catch (...) {
      if (!steps.ran_out() || end - first == 1) throw;
      const auto part = tokens.subspan(first, end - first);
      note_failure(std::accumulate(part.begin(), part.end(), int64_t{0}));
      steps.free_memory();
      continue;
    }
    note_success();
    first = end;
  }
}

}  // namespace bertcnn::cuda
