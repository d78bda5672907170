#include "kernels/checkpointed.h"

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/any.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace bertcnn::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Computation : torch::CustomClassHolder {
  Computation(Recomputed function, at::Generator at_start, bool can_be_skipped)
      : compute(std::move(function)), generator(std::move(at_start)), skips_zero(can_be_skipped) {}
  Recomputed compute;
  at::Generator generator;  // as it was before
  bool skips_zero;          // is not computed again for a gradient of zeros
};

struct Checkpointed : torch::autograd::Function<Checkpointed> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Generator& generator, Recomputed compute, bool skips_zero) {
    context->save_for_backward({x});
    auto computation =
        c10::make_intrusive<Computation>(std::move(compute), generator.clone(), skips_zero);
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
    if (computation->skips_zero && !gradients[0].any().item<bool>()) return variable_list(4);
    const at::Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    const at::AutoGradMode with_graph(true);
    const at::Tensor y = computation->compute(x, computation->generator.clone());
    torch::autograd::backward({y}, {gradients[0]});
    return {x.grad(), {}, {}, {}};
  }
};

}  // namespace

at::Tensor checkpointed(const at::Tensor& x, const at::Generator& generator, Recomputed compute) {
  return Checkpointed::apply(x, generator, std::move(compute), false);
}

at::Tensor checkpointed(const at::Generator& generator,
                        std::function<at::Tensor(const at::Generator& generator)> compute,
                        bool always) {
  // What autograd asks for a gradient of, and gets none.
  const at::Tensor nothing = at::zeros({}).requires_grad_(true);
  auto ignoring = [compute = std::move(compute)](const at::Tensor& /*nothing*/,
                                                 const at::Generator& own) { return compute(own); };
  return Checkpointed::apply(nothing, generator, std::move(ignoring), !always);
}

}  // namespace bertcnn::kernels
