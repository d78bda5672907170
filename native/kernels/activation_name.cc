#include "kernels/activation_name.h"

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
  fail("ERR_UNSUPPORTED_CONFIG", "config.json: hidden_act is '", name,
       "', which is not supported. Supported: ", known_names, ".");
}

}  // namespace bertcnn::kernels
