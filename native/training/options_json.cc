#include "training/options_json.h"

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "error.h"

namespace bertcnn::training {
namespace {

/// Calls `field(name, member)` for every option: the one list that writing and reading share.
template <typename Options, typename Field>
void each_option(Options& options, Field&& field) {
  field("learningRate", options.learning_rate);
  field("headLearningRate", options.head_learning_rate);
  field("layerDecay", options.layer_decay);
  field("weightDecay", options.weight_decay);
  field("optimizer", options.optimizer);
  field("beta1", options.beta1);
  field("beta2", options.beta2);
  field("epsilon", options.epsilon);
  field("momentum", options.momentum);
  field("nesterov", options.nesterov);
  field("schedule", options.schedule.type);
  field("totalSteps", options.schedule.total_steps);
  field("warmupSteps", options.schedule.warmup_steps);
  field("warmupRatio", options.schedule.warmup_ratio);
  field("power", options.schedule.power);
  field("learningRateScale", options.learning_rate_scale);
  field("classWeights", options.loss.class_weights);
  field("classCounts", options.loss.class_counts);
  field("posWeight", options.loss.pos_weight);
  field("labelSmoothing", options.loss.label_smoothing);
  field("focalGamma", options.loss.focal_gamma);
  field("maxGradNorm", options.max_grad_norm);
  field("gradientAccumulationSteps", options.gradient_accumulation_steps);
  field("bfloat16", options.bfloat16);
  field("gradientCheckpointing", options.gradient_checkpointing);
  field("featureCache", options.feature_cache.enabled);
  field("featureCacheMemory", options.feature_cache.memory);
  field("featureCacheBfloat16", options.feature_cache.bfloat16);
  field("featureCacheDirectory", options.feature_cache.directory);
}

template <typename T>
json::Value write_value(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return name_of(value);
  } else {
    return value;
  }
}
template <typename T>
json::Value write_value(const std::vector<T>& values) {
  return json::Array(values.begin(), values.end());
}
template <typename T>
json::Value write_value(const std::optional<T>& value) {
  return value ? write_value(*value) : json::Value();
}

[[noreturn]] void refuse(const char* name, const json::Value& value) {
  fail("ERR_INVALID_JSON", "The training options hold ", json::write(value, 0), " for ", name, ".");
}

void read_value(const char* name, const json::Value& value, double& target) {
  if (!value.is_number()) refuse(name, value);
  target = value.as_number();
}
void read_value(const char* name, const json::Value& value, int64_t& target) {
  if (!value.is_integer()) refuse(name, value);
  target = value.as_integer();
}
void read_value(const char* name, const json::Value& value, bool& target) {
  if (!value.is_bool()) refuse(name, value);
  target = value.as_bool();
}
void read_value(const char* name, const json::Value& value, std::string& target) {
  if (!value.is_string()) refuse(name, value);
  target = value.as_string();
}
void read_value(const char* name, const json::Value& value, OptimizerType& target) {
  if (!value.is_string()) refuse(name, value);
  target = optimizer_type(value.as_string());
}
void read_value(const char* name, const json::Value& value, ScheduleType& target) {
  if (!value.is_string()) refuse(name, value);
  target = schedule_type(value.as_string());
}
template <typename T>
void read_value(const char* name, const json::Value& value, std::vector<T>& target) {
  if (!value.is_array()) refuse(name, value);
  target.clear();
  for (const json::Value& element : value.as_array()) {
    read_value(name, element, target.emplace_back());
  }
}
template <typename T>
void read_value(const char* name, const json::Value& value, std::optional<T>& target) {
  read_value(name, value, target.emplace());
}

}  // namespace

json::Value to_json(const TrainingOptions& options) {
  json::Value result = json::Object{};
  each_option(options, [&](const char* name, const auto& member) {
    json::Value value = write_value(member);
    if (!value.is_null()) result.set(name, std::move(value));
  });
  return result;
}

TrainingOptions read_training_options(const json::Value& value) {
  if (!value.is_object()) refuse("all of them", value);
  TrainingOptions options;
  size_t known = 0;
  each_option(options, [&](const char* name, auto& member) {
    const json::Value* given = value.find(name);
    if (given == nullptr) return;
    ++known;
    read_value(name, *given, member);
  });
  if (known != value.as_object().size()) {
    // One that a later version knows would else be lost without a word.
    fail("ERR_INVALID_JSON", "The training options ", json::write(value, 0),
         " hold a name that is unknown.");
  }
  return options;
}

}  // namespace bertcnn::training
