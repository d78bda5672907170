// One training step: forward pass, loss, backward pass, clipping, optimizer.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "kernels/packed_batch.h"
#include "model/bert_cnn.h"
#include "training/optimizer.h"
#include "training/options.h"

namespace bertcnn::training {

/// What one step computed.
struct TrainerStep {
  int64_t step;       // optimizer steps taken so far, this one included
  double loss;        // mean over the batch, before the update
  at::Tensor logits;  // [B, labels] on the CPU, of the forward pass in training mode
  double grad_norm;   // global norm of all gradients before clipping
  std::vector<double> learning_rates;  // of each parameter group, those used
};

/// Trains a model that it does not own.
class Trainer {
 public:
  Trainer(const model::BertCnn& model, const TrainingOptions& options, at::Generator generator);

  /// Takes one step. targets: as training::loss wants them, on the model's device. `cancelled` is
  /// asked between layers and before the update. ERR_NON_FINITE: loss or gradient is NaN or
  /// infinite. A step that throws has changed neither weights nor optimizer nor generator.
  TrainerStep step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                   const std::function<bool()>& cancelled);

  const Optimizer& optimizer() const { return *optimizer_; }
  /// Optimizer steps taken; with the options it says where the schedule is.
  int64_t steps() const { return steps_; }

 private:
  TrainerStep try_step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                       const std::function<bool()>& cancelled);
  double clip_gradients();
  void clear_gradients();
  std::vector<double> learning_rates(double multiplier) const;

  const model::BertCnn& model_;
  TrainingOptions options_;
  std::unique_ptr<Optimizer> optimizer_;
  at::Generator generator_;
  int64_t steps_ = 0;
};

}  // namespace bertcnn::training
