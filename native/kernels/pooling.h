// From the windows of each sequence to one vector.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/pooling_name.h"

namespace bertcnn::kernels {

/// The windows of a batch's sequences, one sequence after another; each has at least one.
struct WindowRows {
  std::vector<int64_t> lengths;  // [B], windows of each sequence
  at::Tensor sequence;           // [W] int64, of each window

  WindowRows(std::vector<int64_t> lengths_of, at::Device device);
  int64_t sequences() const { return static_cast<int64_t>(lengths.size()); }
};

/// x: `[W, F]` -> `[B, F * pooling.width()]`, with a backward pass where gradients are wanted.
/// max: equal maxima share the gradient, as in PyTorch's amax. max_mean: the maxima, then the
/// means. k_max: each filter's `pooling.k` largest in the order of the text (Kalchbrenner et al.,
/// 2014), filter by filter, zeros behind where there are fewer windows. attention: a sum weighted
/// by the softmax, over the sequence's windows, of the products with `attention`, `[1, F]`.
at::Tensor pool(const at::Tensor& x, const WindowRows& rows, const Pooling& pooling,
                const at::Tensor& attention);

/// How many of a sequence's windows have its maximum, `[B, F]`, without a gradient. x: `[W, F]`.
at::Tensor count_maxima(const at::Tensor& x, const WindowRows& rows);

}  // namespace bertcnn::kernels
