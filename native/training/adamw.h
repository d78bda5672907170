#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "training/options.h"
#include "training/parameter_groups.h"

namespace bertcnn::training {

/// Adam with decoupled weight decay (Loshchilov & Hutter, 2019), computed by PyTorch's fused kernel
/// as torch.optim.AdamW(fused=True) does.
class AdamW {
 public:
  AdamW(std::vector<ParameterGroup> groups, const TrainingOptions& options);

  /// Updates every weight that has a gradient.
  void step();

  const std::vector<ParameterGroup>& groups() const { return groups_; }

 private:
  /// Lists that run parallel to a group's parameters.
  struct Moments {
    std::vector<at::Tensor> first;
    std::vector<at::Tensor> second;
    std::vector<at::Tensor> steps;
  };
  void step(const ParameterGroup& group, const Moments& moments) const;

  std::vector<ParameterGroup> groups_;
  std::vector<Moments> moments_;
  double beta1_;
  double beta2_;
  double epsilon_;
};

}  // namespace bertcnn::training
