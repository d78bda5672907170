// One training step: forward pass, loss, backward pass, clipping, optimizer.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/packed_batch.h"
#include "model/bert_cnn.h"
#include "training/adamw.h"
#include "training/options.h"

namespace bertcnn::training {

/// What one step computed.
struct TrainerStep {
  int64_t step;       // optimizer steps taken so far, this one included
  double loss;        // mean over the batch, before the update
  at::Tensor logits;  // [B, labels] on the CPU, of the forward pass in training mode
  double grad_norm;   // global norm of all gradients before clipping
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

  /// Learning rate of each parameter group.
  std::vector<double> learning_rates() const;

 private:
  TrainerStep try_step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                       const std::function<bool()>& cancelled);
  double clip_gradients();
  void clear_gradients();

  const model::BertCnn& model_;
  AdamW optimizer_;
  at::Generator generator_;
  double max_grad_norm_;
  int64_t steps_ = 0;
};

}  // namespace bertcnn::training
