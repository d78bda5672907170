#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/activation_name.h"

namespace bertcnn::kernels {

/// Element by element. gelu: x Phi(x); gelu_tanh: its tanh approximation; gelu_clipped: gelu cut to
/// [-10, 10]; quick_gelu: x sigmoid(1.702 x).
at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace bertcnn::kernels
