#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "model/bert_cnn.h"
#include "training/options.h"

namespace bertcnn::training {

/// Weights that are trained with one learning rate and one weight decay.
struct ParameterGroup {
  std::string name;
  double learning_rate;
  double weight_decay;
  std::vector<at::Tensor> parameters;
};

/// The trained weights of `model` in up to four groups, in this order: encoder, encoder without
/// weight decay, head, head without weight decay. Biases and layer norms have no weight decay.
/// Empty groups are left out.
std::vector<ParameterGroup> parameter_groups(const model::BertCnn& model,
                                             const TrainingOptions& options);

}  // namespace bertcnn::training
