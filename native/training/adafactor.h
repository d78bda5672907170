#pragma once

#include <vector>

#include "training/optimizer.h"

namespace bertcnn::training {

/// Adafactor (Shazeer & Stern, 2018) as torch.optim.Adafactor computes it, with its defaults but
/// for the learning rates: of a matrix's squared gradients only means of rows and columns are
/// remembered, so that it takes next to no memory. A step is as long as the learning rate's share
/// of the weight's own root mean square. State: "step", a scalar; "row_var" and "col_var" of
/// matrices, "variance" of vectors.
class Adafactor final : public Optimizer {
 public:
  explicit Adafactor(std::vector<ParameterGroup> groups);

 private:
  void prepare(Update& update) const override;
  void apply(const Update& update) const override;
};

}  // namespace bertcnn::training
