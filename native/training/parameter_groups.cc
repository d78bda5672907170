#include "training/parameter_groups.h"

#include <algorithm>

namespace bertcnn::training {
namespace {

bool has_weight_decay(const std::string& name) {
  return !name.ends_with(".bias") && name.find("LayerNorm.") == std::string::npos;
}

}  // namespace

std::vector<ParameterGroup> parameter_groups(const model::BertCnn& model,
                                             const TrainingOptions& options) {
  std::vector<ParameterGroup> groups = {
      {"encoder", options.learning_rate, options.weight_decay, {}},
      {"encoder, no decay", options.learning_rate, 0, {}},
      {"head", options.head_learning_rate, options.weight_decay, {}},
      {"head, no decay", options.head_learning_rate, 0, {}}};
  for (const kernels::Parameter& parameter : model.parameters()) {
    if (!model.is_trained(parameter.name)) continue;
    const size_t first = parameter.name.starts_with("bert.") ? 0 : 2;
    groups[first + (has_weight_decay(parameter.name) ? 0 : 1)].parameters.push_back(
        parameter.tensor);
  }
  std::erase_if(groups, [](const ParameterGroup& group) { return group.parameters.empty(); });
  return groups;
}

}  // namespace bertcnn::training
