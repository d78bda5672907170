#include "kernels/layer_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
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

at::Tensor LayerNorm::centre_operands() {
  // A copy: what was packed by it must not change with the bias.
  operand_centre_ = bias_.detach().clone();
  return operand_centre_;
}

void LayerNorm::parameters(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + "weight", weight_});
  list.push_back({prefix + "bias", bias_});
}

}  // namespace bertcnn::kernels
