#include "training/options_json.h"

#include <gtest/gtest.h>

#include <string>

#include "error.h"

namespace bertcnn::training {
namespace {

/// Every option other than by default.
TrainingOptions unusual() {
  TrainingOptions options;
  options.learning_rate = 1.0 / 3;
  options.head_learning_rate = 0.25;
  options.layer_decay = 0.9;
  options.weight_decay = 0;
  options.optimizer = OptimizerType::sgd;
  options.beta1 = 0.8;
  options.beta2 = 0.99;
  options.epsilon = 1e-6;
  options.momentum = 0.5;
  options.nesterov = true;
  options.schedule = {ScheduleType::polynomial, 90, 7, 0.125, 2};
  options.learning_rate_scale = 0.25;
  options.loss = {{0.5, 2}, {3, 4}, {1.5, 1}, 0.1, 2};
  options.max_grad_norm = 7;
  options.gradient_accumulation_steps = 3;
  options.bfloat16 = false;
  options.gradient_checkpointing = true;
  options.feature_cache = {true, 5, true, "/tmp"};
  return options;
}

std::string written(const TrainingOptions& options) {
  return json::write(to_json(options), 0);
}

TEST(OptionsJson, BringsEveryOptionBack) {
  for (const TrainingOptions& options : {TrainingOptions(), unusual()}) {
    const TrainingOptions read = read_training_options(json::parse(written(options), "test"));
    EXPECT_EQ(written(read), written(options));
  }
  const TrainingOptions read = read_training_options(to_json(unusual()));
  EXPECT_EQ(read.learning_rate, 1.0 / 3);
  EXPECT_EQ(read.optimizer, OptimizerType::sgd);
  EXPECT_EQ(read.schedule.type, ScheduleType::polynomial);
  EXPECT_EQ(read.schedule.total_steps, 90);
  EXPECT_EQ(read.loss.class_counts, (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(read.bfloat16, false);
  EXPECT_EQ(read.feature_cache.directory, "/tmp");
  EXPECT_FALSE(read_training_options(to_json({})).schedule.total_steps);
}

TEST(OptionsJson, HoldsEveryOption) {
  // Whoever adds an option adds it to the list in options_json.cc, to `unusual` and here.
  EXPECT_EQ(to_json(unusual()).as_object().size(), 29U);
  const json::Value usual = to_json(TrainingOptions());
  const json::Value other = to_json(unusual());
  for (const auto& [name, value] : other.as_object()) {
    const json::Value* same = usual.find(name);
    EXPECT_TRUE(same == nullptr || !(*same == value)) << name;
  }
}

TEST(OptionsJson, RefusesOtherNamesAndTypes) {
  const auto code = [](const char* text) {
    try {
      read_training_options(json::parse(text, "test"));
    } catch (const Error& error) {
      return error.code();
    }
    return std::string();
  };
  EXPECT_EQ(code("{}"), "");
  EXPECT_EQ(code(R"({"learningRate": "1"})"), "ERR_INVALID_JSON");
  EXPECT_EQ(code(R"({"totalSteps": 1.5})"), "ERR_INVALID_JSON");
  EXPECT_EQ(code(R"({"nesterov": 1})"), "ERR_INVALID_JSON");
  EXPECT_EQ(code(R"({"classWeights": [1, "2"]})"), "ERR_INVALID_JSON");
  EXPECT_EQ(code(R"({"featureCacheDirectory": 1})"), "ERR_INVALID_JSON");
  EXPECT_EQ(code(R"({"schedule": "sudden"})"), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(code(R"({"learningRat": 1})"), "ERR_INVALID_JSON");
  EXPECT_EQ(code("[]"), "ERR_INVALID_JSON");
}

}  // namespace
}  // namespace bertcnn::training
