#include "training/options.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "error.h"

namespace bertcnn::training {
namespace {

/// The message with which `options` are refused; "" where they are not.
std::string refusal(const TrainingOptions& options) {
  try {
    check(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_INVALID_ARGUMENT");
    return error.what();
  }
  return "";
}

TEST(TrainingOptions, DefaultsAreRight) {
  EXPECT_EQ(refusal({}), "");
}

TEST(TrainingOptions, NameTheValueThatMakesNoSense) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto expect = [](const TrainingOptions& options, const char* name) {
    EXPECT_NE(refusal(options).find(name), std::string::npos) << name << ": " << refusal(options);
  };
  expect({.learning_rate = -1}, "learningRate");
  expect({.head_learning_rate = kNan}, "headLearningRate");
  expect({.layer_decay = 1.5}, "layerDecay");
  expect({.weight_decay = 1e7}, "weightDecay");
  expect({.beta1 = 1}, "beta1");
  expect({.beta2 = kNan}, "beta2");
  expect({.epsilon = -1}, "epsilon");
  expect({.optimizer = OptimizerType::sgd, .momentum = 1}, "momentum");
  expect({.max_grad_norm = std::numeric_limits<double>::infinity()}, "maxGradNorm");
  expect({.schedule = {.total_steps = 0}}, "totalSteps");
  expect({.schedule = {.warmup_steps = -1}}, "warmupSteps");
  expect({.schedule = {.total_steps = 3, .warmup_steps = 4}}, "warmupSteps");
  expect({.schedule = {.total_steps = 3, .warmup_ratio = 1.1}}, "warmupRatio");
  expect({.schedule = {.power = -1}}, "power");
  expect({.gradient_accumulation_steps = 0}, "gradientAccumulationSteps");
}

TEST(TrainingOptions, NameTheOptionThatIsMissingOrTooMany) {
  const auto expect = [](const TrainingOptions& options, const char* name) {
    EXPECT_NE(refusal(options).find(name), std::string::npos) << name << ": " << refusal(options);
  };
  for (const auto type : {ScheduleType::linear, ScheduleType::cosine, ScheduleType::polynomial}) {
    expect({.schedule = {.type = type}}, "totalSteps");
    EXPECT_EQ(refusal({.schedule = {.type = type, .total_steps = 1}}), "");
  }
  expect({.schedule = {.warmup_ratio = 0.1}}, "totalSteps");
  expect({.schedule = {.total_steps = 9, .warmup_steps = 1, .warmup_ratio = 0.1}}, "both");
  expect({.optimizer = OptimizerType::sgd, .nesterov = true}, "momentum above 0");
  expect({.momentum = 0.9}, "'sgd'");
  expect({.learning_rate = 1e-7, .schedule = {.type = ScheduleType::polynomial, .total_steps = 9}},
         "learningRate");
}

TEST(TrainingOptions, AreNamedAsInJavaScript) {
  EXPECT_EQ(optimizer_type("sgd"), OptimizerType::sgd);
  EXPECT_EQ(schedule_type("inverse_sqrt"), ScheduleType::inverse_sqrt);
  EXPECT_THROW(optimizer_type("adam"), Error);
  EXPECT_THROW(schedule_type("Linear"), Error);
}

}  // namespace
}  // namespace bertcnn::training
