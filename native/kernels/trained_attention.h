#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/forward_context.h"
#include "kernels/packed_batch.h"

namespace bertcnn::kernels {

/// Attention with a backward pass of its own, on the CPU: neither padding nor the softmax is kept,
/// its weights and their dropout are computed again. qkv: `[T, 3 H]` float32 or bfloat16, queries,
/// keys and values one beside the other, of heads that `attends_rows` takes. Returns `[T, H]`.
at::Tensor trained_attention(const at::Tensor& qkv, const PackedBatch& batch, int64_t heads,
                             double dropout_p, const ForwardContext& context);

}  // namespace bertcnn::kernels
