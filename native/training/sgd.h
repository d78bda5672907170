#pragma once

#include <vector>

#include "training/optimizer.h"

namespace bertcnn::training {

/// Stochastic gradient descent as torch.optim.SGD(fused=True) computes it: weight decay is added to
/// the gradient, hence part of the momentum. State: "momentum_buffer", none without momentum.
class Sgd final : public Optimizer {
 public:
  Sgd(std::vector<ParameterGroup> groups, const TrainingOptions& options);

 private:
  void apply(const Update& update) const override;

  double momentum_;
  bool nesterov_;
};

}  // namespace bertcnn::training
