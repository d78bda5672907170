#include "kernels/layer_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "kernels/cpu/rows.h"
#include "kernels/dropout.h"
#include "kernels/trained_layer_norm.h"

namespace bertcnn::kernels {

LayerNorm::LayerNorm(int64_t size, double epsilon, const at::TensorOptions& options)
    : size_(size),
      epsilon_(epsilon),
      weight_(at::ones({size}, options)),
      bias_(at::zeros({size}, options)) {}

at::Tensor LayerNorm::forward(const at::Tensor& x) const {
  return at::layer_norm(x, {size_}, weight_, bias_, epsilon_);
}

HiddenStates LayerNorm::forward(const Product& product, const HiddenStates& residual,
                                double dropout_p, const ForwardContext& context) const {
  if (context.arithmetic != Arithmetic::autograd) {
    return layer_norm_rows(product, residual.values, weights(), context.arithmetic);
  }
  if (at::GradMode::is_enabled() && product.values.is_cpu()) {
    const at::Tensor normalized =
        trained_layer_norm(product.values, residual.values, {weight_, bias_, epsilon_},
                           draw_dropout(dropout_p, context));
    return {normalized, {normalized}};
  }
  const at::Tensor sum = dropout(product.values, dropout_p, context) + residual.values;
  const at::Tensor normalized = forward(sum);
  return {normalized, {normalized}};
}

at::Tensor LayerNorm::smooth(const at::Tensor& weights) {
  constexpr double kDeviations = 3;
  constexpr double kShareOfActivations = 0.5;  // the paper's; the rest is the weights'
  constexpr double kSmallest = 1e-5;
  const at::Tensor activations = bias_.detach().abs() + kDeviations * weight_.detach().abs();
  const at::Tensor largest = at::amax(at::abs(weights), {0});
  const at::Tensor divisors = at::clamp_min(activations, kSmallest).pow(kShareOfActivations) /
                              at::clamp_min(largest, kSmallest).pow(1 - kShareOfActivations);
  operand_factors_ = divisors.reciprocal();
  return divisors;
}

void LayerNorm::parameters(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + "weight", weight_});
  list.push_back({prefix + "bias", bias_});
}

}  // namespace bertcnn::kernels
