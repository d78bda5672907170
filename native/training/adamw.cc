#include "training/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

namespace bertcnn::training {

AdamW::AdamW(std::vector<ParameterGroup> groups, const TrainingOptions& options)
    : groups_(std::move(groups)),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon) {
  const at::NoGradGuard no_grad;
  for (const ParameterGroup& group : groups_) {
    Moments& moments = moments_.emplace_back();
    for (const at::Tensor& parameter : group.parameters) {
      moments.first.push_back(at::zeros_like(parameter));
      moments.second.push_back(at::zeros_like(parameter));
      moments.steps.push_back(at::zeros({}, parameter.options()));
    }
  }
}

void AdamW::step() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < groups_.size(); ++i) step(groups_[i], moments_[i]);
}

void AdamW::step(const ParameterGroup& group, const Moments& moments) const {
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> gradients;
  std::vector<at::Tensor> first;
  std::vector<at::Tensor> second;
  std::vector<at::Tensor> steps;
  for (size_t i = 0; i < group.parameters.size(); ++i) {
    if (!group.parameters[i].grad().defined()) continue;
    parameters.push_back(group.parameters[i]);
    gradients.push_back(group.parameters[i].grad());
    first.push_back(moments.first[i]);
    second.push_back(moments.second[i]);
    steps.push_back(moments.steps[i].add_(1));
  }
  if (parameters.empty()) return;
  at::_fused_adamw_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps,
                    group.learning_rate, beta1_, beta2_, group.weight_decay, epsilon_,
                    /*amsgrad=*/false, /*maximize=*/false);
  // The operation does not do so itself, and what was packed for predicting goes by the version.
  for (const at::Tensor& parameter : parameters) {
    parameter.unsafeGetTensorImpl()->bump_version();
  }
}

}  // namespace bertcnn::training
