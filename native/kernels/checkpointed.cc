#include "kernels/checkpointed.h"

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace bertcnn::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Computation : torch::CustomClassHolder {
  Computation(Recomputed function, at::Generator at_start)
      : compute(std::move(function)), generator(std::move(at_start)) {}
  Recomputed compute;
  at::Generator generator;  // as it was before
};

struct Checkpointed : torch::autograd::Function<Checkpointed> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Generator& generator, Recomputed compute) {
    context->save_for_backward({x});
    auto computation = c10::make_intrusive<Computation>(std::move(compute), generator.clone());
    // With a graph, which is dropped at once: as the backward pass will compute it.
    const at::AutoGradMode with_graph(true);
    at::Tensor y = computation->compute(x.detach().requires_grad_(true), generator).detach();
    context->saved_data["computation"] = c10::IValue::make_capsule(std::move(computation));
    return y;
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto computation = c10::static_intrusive_pointer_cast<Computation>(
        context->saved_data.at("computation").toCapsule());
    const at::Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    const at::AutoGradMode with_graph(true);
    const at::Tensor y = computation->compute(x, computation->generator.clone());
    torch::autograd::backward({y}, {gradients[0]});
    return {x.grad(), {}, {}};
  }
};

}  // namespace

at::Tensor checkpointed(const at::Tensor& x, const at::Generator& generator, Recomputed compute) {
  return Checkpointed::apply(x, generator, std::move(compute));
}

}  // namespace bertcnn::kernels
