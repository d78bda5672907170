#include "training_arguments.h"

#include <optional>
#include <string>

#include "arguments.h"

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

}  // namespace

training::TrainingOptions read_training_options(const Napi::Value& value) {
  training::TrainingOptions options;
  const Fields fields(value, "options");
  fields.read("learningRate", options.learning_rate);
  fields.read("headLearningRate", options.head_learning_rate);
  fields.read("layerDecay", options.layer_decay);
  fields.read("weightDecay", options.weight_decay);
  fields.read("maxGradNorm", options.max_grad_norm);
  read_optimizer(fields, options);
  read_schedule(fields, options.schedule);
  return options;
}

}  // namespace bertcnn::binding
