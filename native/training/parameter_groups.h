#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/parameter.h"
#include "training/options.h"

namespace bertcnn::training {

/// Weights that are trained with one learning rate and one weight decay.
struct ParameterGroup {
  std::string name;
  double learning_rate;  // before the schedule
  double weight_decay;
  kernels::ParameterList parameters;
};

/// `trained` weights of a model with `layers` encoder layers in groups, from the embeddings up:
/// "encoder", or with layer decay "embeddings", "layer 0", "layer 1", ...; then "head". BERT's own
/// head (`cls.`) is with the last layer. Each is followed by a group of its biases
/// and layer norms, "encoder, no decay", which have no weight decay. Empty groups are left out.
///
/// Of n encoder layers the l-th (from 1) has learning_rate * layer_decay^(n - l), so the top one
/// has the learning rate itself, and the embeddings have learning_rate * layer_decay^n.
std::vector<ParameterGroup> parameter_groups(const kernels::ParameterList& trained, int64_t layers,
                                             const TrainingOptions& options);

}  // namespace bertcnn::training
