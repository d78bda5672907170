// What changes the weights once their gradients are there.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "training/options.h"
#include "training/parameter_groups.h"

namespace bertcnn::training {

/// Something that an optimizer remembers of a weight, under the name that it has in the state_dict
/// of torch.optim ("exp_avg"). The tensor is a handle: the optimizer holds the same one.
struct StateTensor {
  std::string parameter;
  std::string name;
  at::Tensor tensor;
};

/// Changes weights by their gradients. Its whole memory is `state()`: two optimizers with the same
/// groups, options and state take the same step.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every weight that has a gradient, with its group's learning rate times `multiplier`.
  /// Where it throws, for want of memory, no weight and nothing remembered has changed; gradients
  /// may have.
  void step(double multiplier);

  const std::vector<ParameterGroup>& groups() const { return groups_; }

  /// What is remembered, weight by weight in the order of the groups and their parameters, and for
  /// each weight in the order of torch.optim. To restore it, copy into the tensors.
  std::vector<StateTensor> state() const;
  /// Takes over what another optimizer of the same options remembers of the weights that this one
  /// trains, too; what it remembers of others stays.
  void take_state(const std::vector<StateTensor>& state);

 protected:
  using Tensors = std::vector<at::Tensor>;

  explicit Optimizer(std::vector<ParameterGroup> groups);

  /// Adds a tensor for each weight to what is remembered: `initial(weight)`. Undefined: nothing of
  /// this weight.
  void remember(const std::string& name,
                const std::function<at::Tensor(const at::Tensor&)>& initial);

  /// Of one group, the weights with a gradient; all lists run parallel.
  struct Update {
    double learning_rate;
    double weight_decay;
    Tensors parameters;
    Tensors gradients;
    std::vector<Tensors> state;  // a list for each `remember`, in that order
    std::vector<Tensors> next;   // what becomes of the state, as far as `prepare` makes it
  };
  /// Does what takes memory: may use up the gradients, and leaves all else as it is.
  virtual void prepare(Update& update) const { (void)update; }
  /// Changes the weights and what is remembered. Takes no memory, so that it can't fail half way.
  virtual void apply(const Update& update) const = 0;

 private:
  /// What was remembered under one name: `[group][parameter]`.
  struct Memory {
    std::string name;
    std::vector<Tensors> tensors;
  };
  Update gather(size_t group, double multiplier) const;

  std::vector<ParameterGroup> groups_;
  std::vector<Memory> memory_;
};

/// The optimizer that `options` names.
std::unique_ptr<Optimizer> make_optimizer(std::vector<ParameterGroup> groups,
                                          const TrainingOptions& options);

}  // namespace bertcnn::training
