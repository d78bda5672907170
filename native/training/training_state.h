// A training run between two steps, as a file: what has to be there to go on as if nothing had
// been.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/bert_cnn.h"
#include "model/freeze_config.h"
#include "training/options.h"
#include "training/trainer.h"

namespace bertcnn::training {

/// What surrounds a run and decides its numbers, beside the model's configuration.
struct Surroundings {
  std::string device;  // "cpu" or "cuda"
  std::string dtype;
  int64_t max_length = 0;
};

/// Writes a safetensors file, atomically. Its tensors are the weights under their names in the
/// state dict, `optimizer.exp_avg.fc.weight` and the like, and `gradient.fc.weight` where gradients
/// are accumulated. Its metadata holds under `training` a JSON object: `version`, `step`, `batches`
/// (since the last update), `options`, `config` (a config.json, with what is frozen), `device`,
/// `dtype`, `maxLength`, `linear` (the libraries that multiply, by shape), and the dropout
/// generator's state in hexadecimal digits. ERR_IO.
void save_training_state(const std::string& file, const model::BertCnn& model,
                         const Trainer& trainer, const Surroundings& surroundings);

/// A training state that was read and found to fit a model. Nothing of the model has changed yet.
class TrainingState {
 public:
  /// ERR_FILE_NOT_FOUND, ERR_IO; ERR_CHECKPOINT_FORMAT: the file is damaged, or no training state;
  /// ERR_CHECKPOINT_MISMATCH names what is different in this model.
  TrainingState(const std::string& file, const model::BertCnn& model,
                const Surroundings& surroundings);

  const TrainingOptions& options() const { return options_; }
  const model::Freeze& freeze() const { return freeze_; }
  /// For choose_linear_libraries; all names are known.
  const std::map<std::string, std::string>& linear_libraries() const { return linear_libraries_; }

  /// All weights, in the order of the model's parameters, on the CPU. ERR_CHECKPOINT_FORMAT: one
  /// is not there as the configuration says.
  kernels::ParameterList read_weights(const model::BertCnn& model) const;
  /// A trainer that goes on where the run stood. `model` must be frozen as `freeze()` says. The
  /// generator stays as it is. ERR_CHECKPOINT_FORMAT: what the optimizer remembers is not all
  /// there.
  std::unique_ptr<Trainer> make_trainer(const model::BertCnn& model, at::Generator generator) const;
  /// What the dropout generator is to be set to.
  const at::Tensor& generator_state() const { return generator_state_; }

 private:
  at::Tensor read(const std::string& name, at::IntArrayRef shape) const;

  std::string file_;
  checkpoint::Checkpoint checkpoint_;
  TrainingOptions options_;
  model::Freeze freeze_;
  std::map<std::string, std::string> linear_libraries_;
  Trainer::Position position_;
  at::Tensor generator_state_;
};

}  // namespace bertcnn::training
