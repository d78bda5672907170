#include "training/sgd.h"

#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

namespace bertcnn::training {

Sgd::Sgd(std::vector<ParameterGroup> groups, const TrainingOptions& options)
    : Optimizer(std::move(groups)), momentum_(options.momentum), nesterov_(options.nesterov) {
  if (momentum_ == 0) return;
  remember("momentum_buffer",
           [](const at::Tensor& parameter) { return at::zeros_like(parameter); });
}

void Sgd::apply(const Update& update) const {
  // PyTorch begins with the first gradient as buffer: without dampening that is what comes of
  // zeros.
  at::_fused_sgd_(update.parameters, update.gradients,
                  update.state.empty() ? at::TensorList() : at::TensorList(update.state[0]),
                  update.weight_decay, momentum_, update.learning_rate, /*dampening=*/0, nesterov_,
                  /*maximize=*/false, /*is_first_step=*/false);
}

}  // namespace bertcnn::training
