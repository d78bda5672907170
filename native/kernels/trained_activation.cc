#include "kernels/trained_activation.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/cpu/rows.h"

namespace bertcnn::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

cpu::OperandRows rows_of(const at::Tensor& x) {
  return {.values = x.mutable_data_ptr(), .element = view(x).element};
}

struct Gelu : torch::autograd::Function<Gelu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x) {
    context->save_for_backward({x});
    at::Tensor y = at::empty_like(x);
    const cpu::ProductRows from = view(x);
    const cpu::OperandRows to = rows_of(y);
    at::parallel_for(0, x.size(0), kRowsOfThread, [&](int64_t begin, int64_t end) {
      cpu::row_kernels().activate(from, x.size(1), cpu::RowActivation::gelu, to,
                                  thread_room(x.size(1)), begin, end);
    });
    return y;
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor x = context->get_saved_variables()[0];
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor result = at::empty_like(x);
    const cpu::ProductRows of_x = view(x);
    const cpu::ProductRows of_gradient = view(gradient);
    const cpu::OperandRows to = rows_of(result);
    at::parallel_for(0, x.size(0), kRowsOfThread, [&](int64_t begin, int64_t end) {
      cpu::row_kernels().gelu_gradient(of_x, of_gradient, x.size(1), to, begin, end);
    });
    return {result};
  }
};

}  // namespace

at::Tensor trained_activation(const at::Tensor& x, Activation activation) {
  const bool by_rows = at::GradMode::is_enabled() && x.is_cpu() && x.dim() == 2;
  if (activation == Activation::gelu && by_rows) return Gelu::apply(x.contiguous());
  return activate(x, activation);
}

}  // namespace bertcnn::kernels
