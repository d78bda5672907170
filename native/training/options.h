// How a model is trained, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace bertcnn::training {

enum class OptimizerType { adamw, sgd };
enum class ScheduleType { constant, linear, cosine, polynomial, inverse_sqrt };

/// How the learning rates change from step to step; training/schedule.h has the formulas.
struct ScheduleOptions {
  ScheduleType type = ScheduleType::constant;
  std::optional<int64_t> total_steps;   // optimizer steps of the whole training
  std::optional<int64_t> warmup_steps;  // default 0
  std::optional<double> warmup_ratio;   // the same as a share of total_steps, rounded up
  double power = 1;                     // of the polynomial
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
  ScheduleOptions schedule;
  double max_grad_norm = 1.0;  // global norm; 0: no clipping
};

/// "adamw" or "sgd", else ERR_INVALID_ARGUMENT.
OptimizerType optimizer_type(const std::string& name);
/// "constant", "linear", "cosine", "polynomial" or "inverse_sqrt", else ERR_INVALID_ARGUMENT.
ScheduleType schedule_type(const std::string& name);

/// ERR_INVALID_ARGUMENT names, as JavaScript does, an option whose value makes no sense, or that
/// another one needs or forbids.
void check(const TrainingOptions& options);

}  // namespace bertcnn::training
