#include "training/options.h"

#include <cmath>
#include <limits>

#include "error.h"
#include "model/config_names.h"
#include "training/schedule.h"

namespace bertcnn::training {
namespace {

using model::find_name;
using model::Names;

constexpr Names<OptimizerType, 3> kOptimizers = {{{"adamw", OptimizerType::adamw},
                                                  {"sgd", OptimizerType::sgd},
                                                  {"adafactor", OptimizerType::adafactor}}};
constexpr Names<ScheduleType, 5> kSchedules = {{{"constant", ScheduleType::constant},
                                                {"linear", ScheduleType::linear},
                                                {"cosine", ScheduleType::cosine},
                                                {"polynomial", ScheduleType::polynomial},
                                                {"inverse_sqrt", ScheduleType::inverse_sqrt}}};

constexpr Names<Objective, 2> kObjectives = {
    {{"classification", Objective::classification},
     {"masked-language-model", Objective::masked_language_model}}};

template <typename Enum, size_t N>
Enum parse(const Names<Enum, N>& names, const std::string& text, const char* option) {
  return model::parse(names, text, option, "ERR_INVALID_ARGUMENT");
}

constexpr double kLarge = 1e6;
const double kBelowOne = std::nextafter(1.0, 0.0);

void check_number(double value, double least, double most, const char* name) {
  if (value >= least && value <= most) return;
  fail("ERR_INVALID_ARGUMENT", "Expected a number from ", least, " to ", most, " for ", name,
       " but received ", value, ".");
}

void check_optimizer(const TrainingOptions& options) {
  check_number(options.epsilon, 0, kLarge, "epsilon");
  check_number(options.beta1, 0, kBelowOne, "beta1");
  check_number(options.beta2, 0, kBelowOne, "beta2");
  check_number(options.momentum, 0, kBelowOne, "momentum");
  if (options.nesterov && options.momentum == 0) {
    fail("ERR_INVALID_ARGUMENT", "Expected a momentum above 0 with nesterov but received 0.");
  }
  if (options.optimizer != OptimizerType::sgd && (options.momentum != 0 || options.nesterov)) {
    fail("ERR_INVALID_ARGUMENT",
         "Expected optimizer 'sgd' with momentum or nesterov but received '",
         name_of(options.optimizer), "'.");
  }
}

void check_schedule(const TrainingOptions& options) {
  const ScheduleOptions& schedule = options.schedule;
  if (schedule.total_steps && *schedule.total_steps < 1) {
    fail("ERR_INVALID_ARGUMENT", "Expected at least 1 for totalSteps but received ",
         *schedule.total_steps, ".");
  }
  if (schedule.warmup_steps && schedule.warmup_ratio) {
    fail("ERR_INVALID_ARGUMENT", "Expected either warmupSteps or warmupRatio but received both.");
  }
  if (schedule.warmup_ratio) check_number(*schedule.warmup_ratio, 0, 1, "warmupRatio");
  const bool ends = schedule.type == ScheduleType::linear ||
                    schedule.type == ScheduleType::cosine ||
                    schedule.type == ScheduleType::polynomial;
  if (!schedule.total_steps && (ends || schedule.warmup_ratio)) {
    fail("ERR_INVALID_ARGUMENT", "Expected totalSteps, the optimizer steps of the training, with ",
         ends ? "this schedule" : "warmupRatio", " but received none.");
  }
  if (schedule.warmup_steps.value_or(0) < 0 ||
      (schedule.total_steps && schedule.warmup_steps.value_or(0) > *schedule.total_steps)) {
    fail("ERR_INVALID_ARGUMENT", "Expected from 0 to totalSteps for warmupSteps but received ",
         *schedule.warmup_steps, ".");
  }
  check_number(schedule.power, 0, kLarge, "power");
  if (schedule.type == ScheduleType::polynomial && !(options.learning_rate > kPolynomialEnd)) {
    fail("ERR_INVALID_ARGUMENT", "Expected more than ", kPolynomialEnd,
         ", where the polynomial schedule ends, for learningRate but received ",
         options.learning_rate, ".");
  }
}

}  // namespace

OptimizerType optimizer_type(const std::string& name) {
  return parse(kOptimizers, name, "optimizer");
}

Objective objective_of(const std::string& name) {
  return parse(kObjectives, name, "objective");
}

ScheduleType schedule_type(const std::string& name) {
  return parse(kSchedules, name, "schedule");
}

const char* name_of(OptimizerType type) {
  return find_name(kOptimizers, type);
}

const char* name_of(ScheduleType type) {
  return find_name(kSchedules, type);
}

void check(const TrainingOptions& options) {
  check_number(options.learning_rate, 0, kLarge, "learningRate");
  check_number(options.head_learning_rate, 0, kLarge, "headLearningRate");
  check_number(options.layer_decay, 0, 1, "layerDecay");
  check_number(options.weight_decay, 0, kLarge, "weightDecay");
  check_number(options.learning_rate_scale, 0, kLarge, "scale");
  check_number(options.max_grad_norm, 0, std::numeric_limits<double>::max(), "maxGradNorm");
  if (options.gradient_accumulation_steps < 1) {
    fail("ERR_INVALID_ARGUMENT", "Expected at least 1 for gradientAccumulationSteps but received ",
         options.gradient_accumulation_steps, ".");
  }
  if (options.feature_cache.memory < 0) {
    fail("ERR_INVALID_ARGUMENT", "Expected at least 0 for featureCache.memory but received ",
         options.feature_cache.memory, ".");
  }
  if (!(options.mask_probability > 0 && options.mask_probability <= 1)) {
    fail("ERR_INVALID_ARGUMENT",
         "Expected a number above 0 and up to 1 for maskProbability but received ",
         options.mask_probability, ".");
  }
  check_optimizer(options);
  check_schedule(options);
}

}  // namespace bertcnn::training
