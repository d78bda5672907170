#include "training_arguments.h"

#include <optional>
#include <string>

#include "arguments.h"
#include "error.h"

namespace bertcnn::binding {
namespace {

void read_schedule(const Fields& fields, training::ScheduleOptions& schedule) {
  std::optional<std::string> type;
  fields.read("schedule", type);
  if (type) schedule.type = training::schedule_type(*type);
  fields.read("totalSteps", schedule.total_steps);
  fields.read("warmupSteps", schedule.warmup_steps);
  fields.read("warmupRatio", schedule.warmup_ratio);
  fields.read("power", schedule.power);
}

void read_objective(const Fields& fields, training::TrainingOptions& options) {
  std::optional<std::string> objective;
  fields.read("objective", objective);
  if (objective) options.objective = training::objective_of(*objective);
  fields.read("maskProbability", options.mask_probability);
}

void read_optimizer(const Fields& fields, training::TrainingOptions& options) {
  std::optional<std::string> type;
  fields.read("optimizer", type);
  if (type) options.optimizer = training::optimizer_type(*type);
  fields.read("beta1", options.beta1);
  fields.read("beta2", options.beta2);
  fields.read("epsilon", options.epsilon);
  fields.read("momentum", options.momentum);
  fields.read("nesterov", options.nesterov);
}

void read_loss(const Fields& fields, training::LossOptions& loss) {
  fields.read("classWeights", loss.class_weights);
  fields.read("classCounts", loss.class_counts);
  fields.read("posWeight", loss.pos_weight);
  fields.read("labelSmoothing", loss.label_smoothing);
  fields.read("focalGamma", loss.focal_gamma);
}

std::optional<bool> read_bfloat16(const Fields& fields, const char* name) {
  std::optional<std::string> dtype;
  fields.read("dtype", dtype);
  if (!dtype) return std::nullopt;
  if (*dtype != "float32" && *dtype != "bfloat16") {
    fail("ERR_INVALID_ARGUMENT", "Expected 'float32' or 'bfloat16' for ", name, " but received '",
         *dtype, "'.");
  }
  return *dtype == "bfloat16";
}

void read_feature_cache(const Napi::Value& value, training::FeatureCacheOptions& cache) {
  if (value.IsUndefined()) return;
  cache.enabled = true;
  const Fields fields(value, "options.featureCache");
  fields.read("memory", cache.memory);
  fields.read("directory", cache.directory);
  cache.bfloat16 = read_bfloat16(fields, "options.featureCache.dtype").value_or(false);
}

}  // namespace

training::TrainingOptions read_training_options(const Napi::Value& value) {
  training::TrainingOptions options;
  const Fields fields(value, "options");
  fields.read("learningRate", options.learning_rate);
  fields.read("headLearningRate", options.head_learning_rate);
  fields.read("layerDecay", options.layer_decay);
  fields.read("weightDecay", options.weight_decay);
  fields.read("maxGradNorm", options.max_grad_norm);
  read_objective(fields, options);
  read_optimizer(fields, options);
  read_schedule(fields, options.schedule);
  read_loss(fields, options.loss);
  fields.read("gradientAccumulationSteps", options.gradient_accumulation_steps);
  options.bfloat16 = read_bfloat16(fields, "options.dtype");
  fields.read("gradientCheckpointing", options.gradient_checkpointing);
  read_feature_cache(value.As<Napi::Object>().Get("featureCache"), options.feature_cache);
  return options;
}

}  // namespace bertcnn::binding
