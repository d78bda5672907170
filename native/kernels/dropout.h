#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cpu/row_kernels.h"
#include "kernels/forward_context.h"

namespace bertcnn::kernels {

/// Zeroes each element with probability `p` and divides the others by 1 - p while training;
/// otherwise the identity. Unlike at::dropout it draws from the model's own generator.
at::Tensor dropout(const at::Tensor& x, double p, const ForwardContext& context);

/// The same for the row kernels, which draw with a key from the generator; on the CPU.
cpu::Dropout draw_dropout(double p, const ForwardContext& context);

}  // namespace bertcnn::kernels
