#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/packed_batch.h"
#include "kernels/trained_linear.h"

namespace bertcnn::kernels {

/// What convolutions over time share: for each kernel size k a weight of one place after another.
struct WindowWeights {
  std::vector<int64_t> kernel_sizes;
  at::Tensor weight;  // [sum of k * F, H] float32
  at::Tensor biases;  // [kernel sizes * F]
};

/// The first window of a kernel that reaches behind the first `seen` rows.
inline int64_t first_unseen(int64_t seen, int64_t kernel_size) {
  return std::max<int64_t>(0, seen - kernel_size + 1);
}

/// Maxima over windows of sequences, and how many of a sequence's windows have each.
struct WindowMaxima {
  at::Tensor values;  // [B, features]
  at::Tensor counts;  // [B, features], a number of the same type without a gradient
};

/// max(0, bias + the largest sum over a window), `[B, kernel sizes * F]`, with a backward pass. On
/// the CPU. hidden: `[T, H]` float32.
///
/// A maximum's gradient goes to one window of a sequence's many, so the backward pass is no product
/// but adds up rows: B * F * k of them instead of T * F * k. Equal maxima share the gradient, as
/// they do in PyTorch's amax. Windows among the first `seen` rows alone do not count.
WindowMaxima trained_windows(const at::Tensor& hidden, const WindowWeights& weights,
                             const PackedBatch& batch, int64_t seen, TrainedType type);

}  // namespace bertcnn::kernels
