#include "kernels/pooling.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/segment_reduce.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "kernels/packed_batch.h"

namespace bertcnn::kernels {
namespace {

/// [W, ...] -> [B, ...]
at::Tensor sum_rows(const at::Tensor& x, const WindowRows& rows) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape[0] = rows.sequences();
  return at::zeros(shape, x.options()).index_add(0, rows.sequence, x);
}

at::Tensor largest_rows(const at::Tensor& x, const WindowRows& rows) {
  return at::segment_reduce(x.detach(), "max", to_tensor(rows.lengths, x.device()));
}

/// [W, F], 1 for a window that has its sequence's maximum.
at::Tensor winning_rows(const at::Tensor& x, const at::Tensor& largest, const WindowRows& rows) {
  return x.eq(largest.index_select(0, rows.sequence)).to(x.scalar_type());
}

at::Tensor max_rows(const at::Tensor& x, const WindowRows& rows) {
  at::Tensor largest = largest_rows(x, rows);
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return largest;
  // Not by segment_reduce's own backward pass: it gives each of several equal maxima the whole of a
  // negative gradient.
  const at::Tensor wins = winning_rows(x.detach(), largest, rows);
  const at::Tensor share = wins / sum_rows(wins, rows).index_select(0, rows.sequence);
  const at::Tensor mean = sum_rows(x * share, rows);
  return largest + (mean - mean.detach());  // the value exactly, the gradient of the mean
}

at::Tensor mean_rows(const at::Tensor& x, const WindowRows& rows) {
  return sum_rows(x, rows) / to_tensor(rows.lengths, x.device()).unsqueeze(1);
}

at::Tensor largest_k_rows(const at::Tensor& x, const WindowRows& rows, int64_t k) {
  std::vector<at::Tensor> pooled;
  pooled.reserve(rows.lengths.size());
  int64_t first = 0;
  for (const int64_t length : rows.lengths) {
    const at::Tensor windows = x.narrow(0, first, length);
    const int64_t count = std::min(k, length);
    const at::Tensor winners = std::get<1>(windows.detach().topk(count, 0));
    at::Tensor values = windows.gather(0, std::get<0>(winners.sort(0)));
    if (count < k) values = at::cat({values, at::zeros({k - count, x.size(1)}, x.options())});
    pooled.push_back(values.t().reshape({-1}));
    first += length;
  }
  return at::stack(pooled);
}

at::Tensor attend_rows(const at::Tensor& x, const WindowRows& rows, const at::Tensor& attention) {
  const at::Tensor scores = x.matmul(attention.t());  // [W, 1]
  const at::Tensor shift = largest_rows(scores, rows).index_select(0, rows.sequence);
  const at::Tensor weights = (scores - shift).exp();
  const at::Tensor totals = sum_rows(weights, rows).index_select(0, rows.sequence);
  return sum_rows(x * (weights / totals), rows);
}

}  // namespace

WindowRows::WindowRows(std::vector<int64_t> lengths_of, at::Device device)
    : lengths(std::move(lengths_of)), sequence(at::repeat_interleave(to_tensor(lengths, device))) {}

at::Tensor count_maxima(const at::Tensor& x, const WindowRows& rows) {
  return sum_rows(winning_rows(x, largest_rows(x, rows), rows), rows);
}

at::Tensor pool(const at::Tensor& x, const WindowRows& rows, const Pooling& pooling,
                const at::Tensor& attention) {
  switch (pooling.kind) {
    case PoolingKind::max:
      return max_rows(x, rows);
    case PoolingKind::mean:
      return mean_rows(x, rows);
    case PoolingKind::max_mean:
      return at::cat({max_rows(x, rows), mean_rows(x, rows)}, 1);
    case PoolingKind::k_max:
      return largest_k_rows(x, rows, pooling.k);
    case PoolingKind::attention:
      return attend_rows(x, rows, attention);
  }
  return {};
}

}  // namespace bertcnn::kernels
