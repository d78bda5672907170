#include "training/trainer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <utility>

#include "error.h"
#include "kernels/forward_context.h"
#include "training/loss.h"
#include "training/parameter_groups.h"
#include "training/schedule.h"

namespace bertcnn::training {

Trainer::Trainer(const model::BertCnn& model, const TrainingOptions& options,
                 at::Generator generator)
    : model_(model),
      options_(options),
      optimizer_(make_optimizer(parameter_groups(model, options), options)),
      generator_(std::move(generator)) {}

TrainerStep Trainer::step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                          const std::function<bool()>& cancelled) {
  const at::Tensor generator_state = generator_.get_state();
  try {
    TrainerStep result = try_step(batch, targets, cancelled);
    clear_gradients();
    return result;
  } catch (...) {
    clear_gradients();
    generator_.set_state(generator_state);
    throw;
  }
}

TrainerStep Trainer::try_step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                              const std::function<bool()>& cancelled) {
  const kernels::ForwardContext context{true, generator_, cancelled};
  const at::Tensor logits = model_.forward(batch, context);
  const at::Tensor loss_value = loss(logits, targets, model_.config().problem_type);
  const double loss_number = loss_value.item<double>();
  if (!std::isfinite(loss_number)) {
    fail("ERR_NON_FINITE", "The loss is ", loss_number, "; the step was not taken.");
  }
  context.check_cancelled();
  loss_value.backward();
  const double norm = clip_gradients();
  context.check_cancelled();
  const double multiplier = learning_rate_multiplier(options_, steps_);
  optimizer_->step(multiplier);
  return {++steps_, loss_number, logits.detach().to(at::kCPU), norm, learning_rates(multiplier)};
}

double Trainer::clip_gradients() {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> norms;
  for (const ParameterGroup& group : optimizer_->groups()) {
    for (const auto& [name, parameter] : group.parameters) {
      if (!parameter.grad().defined()) continue;
      gradients.push_back(parameter.grad());
      norms.push_back(at::linalg_vector_norm(parameter.grad()));
    }
  }
  const double norm = at::linalg_vector_norm(at::stack(norms)).item<double>();
  if (!std::isfinite(norm)) {
    fail("ERR_NON_FINITE", "The norm of the gradients is ", norm, "; the step was not taken.");
  }
  // The 1e-6 is that of torch.nn.utils.clip_grad_norm_.
  const double scale = options_.max_grad_norm / (norm + 1e-6);
  if (options_.max_grad_norm > 0 && scale < 1) {
    for (const at::Tensor& gradient : gradients) gradient.mul_(scale);
  }
  return norm;
}

void Trainer::clear_gradients() {
  for (const ParameterGroup& group : optimizer_->groups()) {
    for (const auto& [name, parameter] : group.parameters) parameter.mutable_grad().reset();
  }
}

std::vector<double> Trainer::learning_rates(double multiplier) const {
  std::vector<double> rates;
  for (const ParameterGroup& group : optimizer_->groups()) {
    rates.push_back(group.learning_rate * multiplier);
  }
  return rates;
}

}  // namespace bertcnn::training
