#include "kernels/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tanh.h>

#include <array>
#include <string_view>
#include <utility>

#include "error.h"

namespace bertcnn::kernels {
namespace {

constexpr std::array<std::pair<std::string_view, Activation>, 13> kNames = {{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_accurate", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_python_tanh", Activation::gelu_tanh},
    {"gelu_10", Activation::gelu_clipped},
    {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
}};

}  // namespace

Activation parse_activation(const std::string& name) {
  for (const auto& [known, activation] : kNames) {
    if (known == name) return activation;
  }
  std::string known_names;
  for (const auto& [known, activation] : kNames) {
    known_names += known_names.empty() ? "" : ", ";
    known_names += known;
  }
  fail("ERR_UNSUPPORTED_CONFIG", "hidden_act is '", name,
       "', which is not supported. Supported: ", known_names, ".");
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::gelu_clipped:
      return at::clamp(at::gelu(x), -10, 10);
    case Activation::quick_gelu:
      return x * at::sigmoid(1.702 * x);
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return at::silu(x);
    case Activation::tanh:
      return at::tanh(x);
  }
  fail("ERR_INTERNAL", "Unknown activation ", static_cast<int>(activation), ".");
}

}  // namespace bertcnn::kernels
