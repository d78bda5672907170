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

struct OnednnLinear : torch::autograd::Function<OnednnLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({x, weight});
    return product(x, weight, bias);
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor& gradient = gradients[0];
    variable_list result(3);
    if (context->needs_input_grad(0)) result[0] = product(gradient, weight.t());
    if (context->needs_input_grad(1)) result[1] = product(gradient.t(), x.t());
    if (context->needs_input_grad(2)) result[2] = gradient.sum(0);
    return result;
  }
};

bool is_by_onednn(const at::Tensor& x, const at::Tensor& weight) {
  // Outside training it is the classifier only, too small for a choice.
  if (!at::GradMode::is_enabled()) return false;
  if (!x.is_cpu() || x.scalar_type() != at::kFloat || x.dim() != 2 || x.size(0) == 0) return false;
  return choose_linear_library(Arithmetic::float32, weight.size(1), weight.size(0)) ==
         LinearLibrary::onednn;
}

}  // namespace

at::Tensor trained_linear(const at::Tensor& x, const PlainWeight& plain) {
  const auto& [weight, bias] = plain;
  if (!is_by_onednn(x, weight)) return at::linear(x, weight, bias);
  return OnednnLinear::apply(x, weight, bias);
}

}  // namespace bertcnn::kernels
