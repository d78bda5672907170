#include "training/optimizer.h"

#include <ATen/core/grad_mode.h>

#include <map>
#include <utility>

#include "error.h"
#include "fault_point.h"
#include "training/adafactor.h"
#include "training/adamw.h"
#include "training/sgd.h"

namespace bertcnn::training {

Optimizer::Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {}

void Optimizer::remember(const std::string& name,
                         const std::function<at::Tensor(const at::Tensor&)>& initial) {
  const at::NoGradGuard no_grad;
  Memory& memory = memory_.emplace_back(Memory{name, {}});
  for (const ParameterGroup& group : groups_) {
    Tensors& tensors = memory.tensors.emplace_back();
    for (const auto& parameter : group.parameters) tensors.push_back(initial(parameter.tensor));
  }
}

std::vector<StateTensor> Optimizer::state() const {
  std::vector<StateTensor> state;
  for (size_t group = 0; group < groups_.size(); ++group) {
    for (size_t i = 0; i < groups_[group].parameters.size(); ++i) {
      for (const Memory& memory : memory_) {
        const at::Tensor& tensor = memory.tensors[group][i];
        if (!tensor.defined()) continue;
        state.push_back({groups_[group].parameters[i].name, memory.name, tensor});
      }
    }
  }
  return state;
}

void Optimizer::take_state(const std::vector<StateTensor>& state) {
  const at::NoGradGuard no_grad;
  std::map<std::pair<std::string, std::string>, at::Tensor> sources;
  for (const StateTensor& source : state) sources[{source.parameter, source.name}] = source.tensor;
  for (const StateTensor& target : this->state()) {
    const auto found = sources.find({target.parameter, target.name});
    if (found != sources.end()) target.tensor.copy_(found->second);
  }
}

Optimizer::Update Optimizer::gather(size_t group, double multiplier) const {
  const ParameterGroup& source = groups_[group];
  Update update{source.learning_rate * multiplier, source.weight_decay, {}, {}, {}, {}};
  update.state.resize(memory_.size());
  update.next.resize(memory_.size());
  for (size_t i = 0; i < source.parameters.size(); ++i) {
    const at::Tensor& parameter = source.parameters[i].tensor;
    if (!parameter.grad().defined()) continue;
    update.parameters.push_back(parameter);
    update.gradients.push_back(parameter.grad());
    for (size_t k = 0; k < memory_.size(); ++k) {
      update.state[k].push_back(memory_[k].tensors[group][i]);
    }
  }
  return update;
}

void Optimizer::step(double multiplier) {
  const at::NoGradGuard no_grad;
  std::vector<Update> updates;
  for (size_t group = 0; group < groups_.size(); ++group) {
    Update update = gather(group, multiplier);
    if (update.parameters.empty()) continue;
    prepare(update);
    updates.push_back(std::move(update));
  }
  fault_point("optimizer");
  for (const Update& update : updates) {
    apply(update);
    // Fused operations do not do so themselves, and what was packed for predicting goes by the
    // version.
    for (const at::Tensor& parameter : update.parameters) {
      parameter.unsafeGetTensorImpl()->bump_version();
    }
  }
}

std::unique_ptr<Optimizer> make_optimizer(std::vector<ParameterGroup> groups,
                                          const TrainingOptions& options) {
  switch (options.optimizer) {
    case OptimizerType::adamw:
      return std::make_unique<AdamW>(std::move(groups), options);
    case OptimizerType::sgd:
      return std::make_unique<Sgd>(std::move(groups), options);
    case OptimizerType::adafactor:
      return std::make_unique<Adafactor>(std::move(groups));
  }
  fail("ERR_INTERNAL", "Unknown optimizer ", static_cast<int>(options.optimizer), ".");
}

}  // namespace bertcnn::training
