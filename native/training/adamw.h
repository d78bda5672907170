#pragma once

#include <vector>

#include "training/optimizer.h"

namespace bertcnn::training {

/// Adam with decoupled weight decay (Loshchilov & Hutter, 2019), computed by PyTorch's fused kernel
/// as torch.optim.AdamW(fused=True) does. State: "step", a scalar, "exp_avg" and "exp_avg_sq".
class AdamW final : public Optimizer {
 public:
  AdamW(std::vector<ParameterGroup> groups, const TrainingOptions& options);

 private:
  void prepare(Update& update) const override;
  void apply(const Update& update) const override;

  double beta1_;
  double beta2_;
  double epsilon_;
};

}  // namespace bertcnn::training
