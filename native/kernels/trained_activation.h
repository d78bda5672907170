#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/activation.h"

namespace bertcnn::kernels {

/// `activate` with a backward pass where gradients are wanted; GELU's on the CPU by the row
/// kernels. x: `[T, N]` float32 or bfloat16.
at::Tensor trained_activation(const at::Tensor& x, Activation activation);

}  // namespace bertcnn::kernels
