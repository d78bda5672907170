#include "training/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

namespace bertcnn::training {

AdamW::AdamW(std::vector<ParameterGroup> groups, const TrainingOptions& options)
    : Optimizer(std::move(groups)),
      beta1_(options.beta1),
      beta2_(options.beta2),
      epsilon_(options.epsilon) {
  const auto zeros = [](const at::Tensor& parameter) { return at::zeros_like(parameter); };
  remember("step", [](const at::Tensor& parameter) { return at::zeros({}, parameter.options()); });
  remember("exp_avg", zeros);
  remember("exp_avg_sq", zeros);
}

void AdamW::prepare(Update& update) const {
  for (const at::Tensor& step : update.state[0]) update.next[0].push_back(step + 1);
}

void AdamW::apply(const Update& update) const {
  for (size_t i = 0; i < update.state[0].size(); ++i) update.state[0][i].copy_(update.next[0][i]);
  at::_fused_adamw_(update.parameters, update.gradients, update.state[1], update.state[2],
                    /*max_exp_avg_sqs=*/{}, update.state[0], update.learning_rate, beta1_, beta2_,
                    update.weight_decay, epsilon_, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace bertcnn::training
