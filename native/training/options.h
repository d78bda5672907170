// How a model is trained, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bertcnn::training {

enum class OptimizerType { adamw, sgd, adafactor };
enum class Objective { classification, masked_language_model };
enum class ScheduleType { constant, linear, cosine, polynomial, inverse_sqrt };

/// How the learning rates change from step to step; training/schedule.h has the formulas.
struct ScheduleOptions {
  ScheduleType type = ScheduleType::constant;
  std::optional<int64_t> total_steps;   // optimizer steps of the whole training
  std::optional<int64_t> warmup_steps;  // default 0
  std::optional<double> warmup_ratio;   // the same as a share of total_steps, rounded up
  double power = 1;                     // of the polynomial
};

/// What the loss weighs; training/loss.h has the formulas. Lists are in the order of the labels, an
/// empty one is not given.
struct LossOptions {
  std::vector<double> class_weights;  // single label
  std::vector<int64_t> class_counts;  // single label, rows of each class: weights that balance them
  std::vector<double> pos_weight;     // multi label
  double label_smoothing = 0;         // single label
  double focal_gamma = 0;             // not of a regression; 0: none
};

/// Keeps a frozen encoder's hidden states from step to step; see training/feature_cache.h.
struct FeatureCacheOptions {
  bool enabled = false;
  int64_t memory = int64_t{1} << 30;  // bytes; what goes beyond is in a file
  bool bfloat16 = false;              // what is kept; else float32
  std::string directory;              // of the file; empty: the system's for temporary files
};

/// The defaults are PyTorch's, but for the learning rates.
struct TrainingOptions {
  double learning_rate = 5e-5;       // of the encoder's top layer
  double head_learning_rate = 1e-3;  // of convolutions and classifier
  double layer_decay = 1;      // of the learning rate, from each encoder layer to the one below
  double weight_decay = 0.01;  // not applied to biases and layer norms
  OptimizerType optimizer = OptimizerType::adamw;
  double beta1 = 0.9;     // AdamW
  double beta2 = 0.999;   // AdamW
  double epsilon = 1e-8;  // AdamW
  double momentum = 0;    // SGD
  bool nesterov = false;  // SGD
  /// What a step minimizes: the loss of the model's problem type, or that of guessing masked
  /// tokens, which trains the encoder and BERT's head for it, by `learning_rate`.
  Objective objective = Objective::classification;
  double mask_probability = 0.15;  // masked language model
  ScheduleOptions schedule;
  double learning_rate_scale = 1;  // of what the schedule says; changed between steps
  LossOptions loss;
  double max_grad_norm = 1.0;               // global norm; 0: no clipping
  int64_t gradient_accumulation_steps = 1;  // batches whose mean gradient makes one optimizer step
  std::optional<bool> bfloat16;             // of the matrix products; unset: as the model predicts
  bool gradient_checkpointing = false;  // compute layers anew in the backward pass, to save memory
  FeatureCacheOptions feature_cache;
};

/// "adamw", "sgd" or "adafactor", else ERR_INVALID_ARGUMENT.
OptimizerType optimizer_type(const std::string& name);
/// "classification" or "masked-language-model", else ERR_INVALID_ARGUMENT.
Objective objective_of(const std::string& name);
/// "constant", "linear", "cosine", "polynomial" or "inverse_sqrt", else ERR_INVALID_ARGUMENT.
ScheduleType schedule_type(const std::string& name);

const char* name_of(OptimizerType type);
const char* name_of(ScheduleType type);

/// ERR_INVALID_ARGUMENT names, as JavaScript does, an option whose value makes no sense, or that
/// another one needs or forbids. Those of the loss are checked by Loss, which knows the labels.
void check(const TrainingOptions& options);

}  // namespace bertcnn::training
