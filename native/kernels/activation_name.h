// The activations by their names; without ATen, as a configuration needs no tensors.
#pragma once

#include <string>

namespace bertcnn::kernels {

/// The activations that BERT checkpoints name in `hidden_act`.
enum class Activation { gelu, gelu_tanh, gelu_clipped, quick_gelu, relu, silu, tanh };

/// The activation that Hugging Face calls `name`: gelu, gelu_python, gelu_new, gelu_fast,
/// gelu_accurate, gelu_pytorch_tanh, gelu_10, quick_gelu, relu, silu, swish, tanh. Throws
/// ERR_UNSUPPORTED_CONFIG.
Activation parse_activation(const std::string& name);

}  // namespace bertcnn::kernels
