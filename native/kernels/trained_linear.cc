#include "kernels/trained_linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/linear_tuning.h"
#include "kernels/onednn.h"

namespace bertcnn::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// a b^T. oneDNN takes transposed views as they are.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias = {}) {
  return onednn::linear(a, b, bias, "none", "");
}

at::Tensor cast(const at::Tensor& x, TrainedType type) {
  return x.to(type == TrainedType::bfloat16 ? at::kBFloat16 : at::kFloat);
}

/// A weight in bfloat16, whose gradient is the weight's in float32.
struct CastWeight : torch::autograd::Function<CastWeight> {
  static at::Tensor forward(AutogradContext* /*context*/, const at::Tensor& weight,
                            WeightCasts* casts) {
    return casts != nullptr ? casts->cast(weight) : weight.to(at::kBFloat16);
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* /*context*/, variable_list gradients) {
    return {gradients[0].to(at::kFloat), {}};
  }
};

struct OnednnLinear : torch::autograd::Function<OnednnLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, TrainedType type) {
    const at::Tensor operand = cast(x, type);
    context->save_for_backward({operand, weight});
    context->saved_data["half"] = x.scalar_type() == at::kBFloat16;
    return product(operand, weight, bias);
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor& gradient = gradients[0];
    const auto type = context->saved_data.at("half").toBool() ? at::kBFloat16 : at::kFloat;
    variable_list result(4);
    if (context->needs_input_grad(0)) result[0] = product(gradient, weight.t()).to(type);
    if (context->needs_input_grad(1)) result[1] = product(gradient.t(), x.t());
    if (context->needs_input_grad(2)) result[2] = gradient.sum({0}, false, at::kFloat);
    return result;
  }
};

bool is_by_onednn(const at::Tensor& x, const at::Tensor& weight, TrainedType type) {
  if (!x.is_cpu() || x.dim() != 2 || x.size(0) == 0) return false;
  if (weight.scalar_type() != at::kFloat) return false;
  const auto arithmetic =
      type == TrainedType::bfloat16 ? Arithmetic::bfloat16 : Arithmetic::float32;
  return choose_linear_library(arithmetic, weight.size(1), weight.size(0)) == LinearLibrary::onednn;
}

}  // namespace

TrainedType trained_type(const ForwardContext& context) {
  return context.autocast_bfloat16 ? TrainedType::bfloat16 : TrainedType::float32;
}

at::Tensor trained_linear(const at::Tensor& x, const PlainWeight& plain, TrainedType type,
                          WeightCasts* casts) {
  const at::Tensor& bias = plain.bias;
  const at::Tensor weight = type == TrainedType::bfloat16 ? CastWeight::apply(plain.weight, casts)
                                                          : cast(plain.weight, type);
  // Outside training it is the classifier only, too small for a choice.
  if (at::GradMode::is_enabled() && is_by_onednn(x, weight, type)) {
    return OnednnLinear::apply(x, weight, bias.to(at::kFloat), type);
  }
  return at::linear(cast(x, type), weight, cast(bias, type));
}

at::Tensor trained_product(const at::Tensor& x, const at::Tensor& weight, TrainedType type) {
  if (is_by_onednn(x, weight, type)) return product(cast(x, type), cast(weight, type));
  return at::linear(cast(x, type), cast(weight, type));
}

}  // namespace bertcnn::kernels
