#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/rows.h"

namespace bertcnn::kernels {

/// LayerNorm(dropout(x) + residual) as one operation forward and one backward, on the CPU. x:
/// `[T, H]` float32 or bfloat16; residual and result: `[T, H]` float32.
at::Tensor trained_layer_norm(const at::Tensor& x, const at::Tensor& residual,
                              const LayerNormWeights& norm, const cpu::Dropout& dropout);

}  // namespace bertcnn::kernels
