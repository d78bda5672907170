// One training step: forward pass, loss, backward pass, clipping, optimizer.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/forward_context.h"
#include "kernels/packed_batch.h"
#include "kernels/recycling_allocator.h"
#include "model/bert_cnn.h"
#include "model/masked_language_head.h"
#include "training/feature_cache.h"
#include "training/loss.h"
#include "training/masking.h"
#include "training/optimizer.h"
#include "training/options.h"

namespace bertcnn::training {

/// What one step computed.
struct TrainerStep {
  int64_t step;               // optimizer steps taken so far
  bool updated;               // whether this one ended in one
  double loss;                // mean over the batch, before the update
  std::vector<float> logits;  // [B, labels] row-major, of the forward pass in training mode
  double grad_norm;  // global norm of all gradients before clipping, accumulated ones included
  std::vector<double> learning_rates;  // of each group; those used, or that the update will use
};

/// What guesses masked tokens, beside the encoder.
struct MaskedLanguage {
  MaskedLanguage(model::MaskedLanguageHead a_head, MaskingOptions a_masking)
      : head(std::move(a_head)), masking(std::move(a_masking)) {}

  model::MaskedLanguageHead head;
  MaskingOptions masking;
};

/// Some sequences of a batch, with masks, and what is to be guessed of them.
struct MaskedRun {
  kernels::PackedBatch batch;
  at::Tensor places;   // [M] int64, of this batch's tokens
  at::Tensor targets;  // [M] int64
  double share;        // of all that is to be guessed
};
/// Masks tokens, drawn for the `number`-th batch, and hands on the sequences in runs of at most
/// `most_tokens` tokens, or of one sequence, but for those where nothing is masked. Returns how
/// many tokens are.
int64_t each_masked_run(const kernels::PackedBatch& batch, const MaskedLanguage& language,
                        uint64_t number, int64_t most_tokens,
                        const std::function<void(const MaskedRun&)>& use);
/// The mean cross entropy of what is to be guessed.
at::Tensor masked_language_loss(const model::BertCnn& model, const MaskedLanguage& language,
                                const MaskedRun& run, const kernels::ForwardContext& context);

/// Trains a model that it does not own. Every `gradient_accumulation_steps`-th call updates the
/// weights, by the mean of the gradients since the last update.
class Trainer {
 public:
  /// ERR_INVALID_ARGUMENT: the options of the loss or of the feature cache do not fit the model, or
  /// the cache's directory is none; or masked tokens are to be guessed with the encoder frozen.
  /// `masked_language` is for that objective.
  Trainer(const model::BertCnn& model, const TrainingOptions& options, at::Generator generator,
          const MaskedLanguage* masked_language = nullptr);

  /// Takes one step. targets: as Loss wants them, on the model's device; not asked where masked
  /// tokens are to be guessed, when there are no logits either. `cancelled` is asked
  /// between layers and before the update. ERR_NON_FINITE: loss or gradient is NaN or infinite. A
  /// step that throws has changed neither weights nor accumulated gradients nor optimizer nor
  /// generator.
  TrainerStep step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                   const std::function<bool()>& cancelled);

  /// The logits, `[B, labels]`, of a prediction that uses and fills the feature cache as a step
  /// does.
  at::Tensor predict(const kernels::PackedBatch& batch, const std::function<bool()>& cancelled);

  /// Trains what the model says is trained by now. Weights that stay keep what the optimizer and
  /// accumulation have of them. Where it throws nothing has changed.
  void follow_freeze();

  /// What the learning rates of the steps that follow are multiplied by, beside the schedule.
  /// ERR_INVALID_ARGUMENT: below 0, or no number.
  void scale_learning_rates(double scale);

  const Optimizer& optimizer() const { return *optimizer_; }
  const TrainingOptions& options() const { return options_; }
  /// Optimizer steps taken; with the options it says where the schedule is.
  int64_t steps() const { return steps_; }
  /// Calls whose gradients are accumulated since the last update.
  int64_t batches() const { return batches_; }
  /// The gradients accumulated since the last update, by weight; none where there are none.
  kernels::ParameterList accumulated() const;
  const at::Generator& generator() const { return generator_; }
  FeatureCounts feature_counts() const;

  /// Where a run stands, beside the weights and what the optimizer remembers.
  struct Position {
    int64_t steps = 0;
    int64_t batches = 0;
    kernels::ParameterList accumulated;
  };
  void go_to(const Position& position);

 private:
  TrainerStep try_step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                       const std::function<bool()>& cancelled);
  at::Tensor forward(const kernels::PackedBatch& batch, const kernels::ForwardContext& context);
  double backward_masked(const kernels::PackedBatch& batch, const kernels::ForwardContext& context);
  /// The gradients of a batch's loss, or of a part of it.
  void propagate(const at::Tensor& loss) const;
  kernels::ParameterList trained() const;
  std::unique_ptr<Optimizer> make_trained_optimizer() const;
  /// Gives the weights the gradients of one batch, and returns its logits and its loss.
  std::pair<at::Tensor, double> backward(const kernels::PackedBatch& batch,
                                         const at::Tensor& targets,
                                         const kernels::ForwardContext& context);
  void add_accumulated();
  double grad_norm() const;
  void clip_gradients(double norm);
  void accumulate();
  void clear_gradients();
  std::vector<double> learning_rates(double multiplier) const;

  const kernels::HeldMemory memory_;
  const model::BertCnn& model_;
  const MaskedLanguage* masked_language_;
  TrainingOptions options_;
  Loss loss_;
  std::unique_ptr<Optimizer> optimizer_;
  at::Generator generator_;
  std::optional<FeatureCache> features_;
  std::vector<at::Tensor> weights_;      // all trained ones
  std::vector<at::Tensor> accumulated_;  // their gradients since the last update; empty: none
  int64_t batches_ = 0;                  // since the last update
  int64_t steps_ = 0;
};

}  // namespace bertcnn::training
