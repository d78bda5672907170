#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace bertcnn::kernels {

/// The activations that BERT checkpoints name in `hidden_act`.
enum class Activation { gelu, gelu_tanh, gelu_clipped, quick_gelu, relu, silu, tanh };

/// The activation that Hugging Face calls `name`: gelu, gelu_python, gelu_new, gelu_fast,
/// gelu_accurate, gelu_pytorch_tanh, gelu_10, quick_gelu, relu, silu, swish, tanh. Throws
/// ERR_UNSUPPORTED_CONFIG.
Activation parse_activation(const std::string& name);

/// Element by element. gelu: x Phi(x); gelu_tanh: its tanh approximation; gelu_clipped: gelu cut to
/// [-10, 10]; quick_gelu: x sigmoid(1.702 x).
at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace bertcnn::kernels
