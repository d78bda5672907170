#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/forward_context.h"
#include "kernels/packed_batch.h"

namespace bertcnn::kernels {

/// Multi-head scaled dot-product attention (Vaswani et al., 2017) of each sequence with itself:
/// softmax(Q K^T / sqrt(D)) V by head, with dropout on the softmax while training.
///
/// q, k, v: `[T, H]` with H = heads x D. Returns `[T, H]`.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const PackedBatch& batch, int64_t heads, double dropout_p,
                     const ForwardContext& context);

}  // namespace bertcnn::kernels
