#include "training/parameter_groups.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace bertcnn::training {
namespace {

constexpr std::string_view kEncoder = "bert.";
constexpr std::string_view kMaskedLanguageHead = "cls.";
constexpr std::string_view kLayer = "bert.encoder.layer.";

bool has_weight_decay(const std::string& name) {
  return !name.ends_with(".bias") && name.find("LayerNorm.") == std::string::npos;
}

/// 0 for the embeddings, l for the l-th of `layers` layers, layers + 1 for the head. BERT's own
/// head counts as the last layer.
int64_t depth_of(const std::string& name, int64_t layers) {
  if (name.starts_with(kMaskedLanguageHead)) return layers;
  if (name.starts_with(kLayer)) return std::stoll(name.substr(kLayer.size())) + 1;
  return name.starts_with(kEncoder) ? 0 : layers + 1;
}

std::string name_of(int64_t depth) {
  return depth == 0 ? "embeddings" : "layer " + std::to_string(depth - 1);
}

/// A part of the model with a learning rate of its own: its group and that without weight decay.
void add_part(std::vector<ParameterGroup>& groups, const std::string& name, double learning_rate,
              double weight_decay) {
  groups.push_back({name, learning_rate, weight_decay, {}});
  groups.push_back({name + ", no decay", learning_rate, 0, {}});
}

}  // namespace

std::vector<ParameterGroup> parameter_groups(const kernels::ParameterList& trained, int64_t layers,
                                             const TrainingOptions& options) {
  const bool one_encoder = options.layer_decay == 1;
  std::vector<ParameterGroup> groups;
  if (one_encoder) {
    add_part(groups, "encoder", options.learning_rate, options.weight_decay);
  } else {
    for (int64_t depth = 0; depth <= layers; ++depth) {
      const double decay = std::pow(options.layer_decay, static_cast<double>(layers - depth));
      add_part(groups, name_of(depth), options.learning_rate * decay, options.weight_decay);
    }
  }
  add_part(groups, "head", options.head_learning_rate, options.weight_decay);
  for (const kernels::Parameter& parameter : trained) {
    const int64_t depth = depth_of(parameter.name, layers);
    const int64_t part = one_encoder ? (depth > layers ? 1 : 0) : depth;
    groups[2 * part + (has_weight_decay(parameter.name) ? 0 : 1)].parameters.push_back(parameter);
  }
  std::erase_if(groups, [](const ParameterGroup& group) { return group.parameters.empty(); });
  return groups;
}

}  // namespace bertcnn::training
