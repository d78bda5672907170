#include "training/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "error.h"
#include "json.h"
#include "random_model.h"

namespace bertcnn::training {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

model::BertCnnConfig config(const char* problem_type,
                            const std::vector<std::string>& labels = {"bad", "fair", "good"}) {
  return model::BertCnnConfig::from_json(json::parse(testing::kTinyConfig, "test"),
                                         {.problem_type = problem_type, .labels = labels});
}

const model::BertCnnConfig kSingle = config("single_label_classification");
const model::BertCnnConfig kMulti = config("multi_label_classification");
const model::BertCnnConfig kScores = config("regression");

at::Tensor logits() {
  return at::tensor({2.0, -1.0, 0.5, 0.0, 1.0, -3.0}, at::kFloat).view({2, 3});
}

double loss_of(const LossOptions& options, const model::BertCnnConfig& model,
               const at::Tensor& targets) {
  return Loss(options, model, at::kCPU)(logits(), targets).item<double>();
}

/// -log(softmax(logits)) of a row and a class
double cross_entropy(int64_t row, int64_t label) {
  return -at::log_softmax(logits(), 1)[row][label].item<double>();
}

/// The message with which `options` are refused; "" where they are not.
std::string refusal(const LossOptions& options, const model::BertCnnConfig& model) {
  try {
    Loss(options, model, at::kCPU);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_INVALID_ARGUMENT");
    return error.what();
  }
  return "";
}

TEST(Loss, OfClassesIsTheMeanCrossEntropy) {
  const at::Tensor targets = at::tensor({0, 2}, at::kLong);
  EXPECT_NEAR(loss_of({}, kSingle, targets), (cross_entropy(0, 0) + cross_entropy(1, 2)) / 2, 1e-6);
}

TEST(Loss, WeighsARowByItsClass) {
  const at::Tensor targets = at::tensor({0, 2}, at::kLong);
  const double mean = (0.5 * cross_entropy(0, 0) + 2 * cross_entropy(1, 2)) / 2.5;
  EXPECT_NEAR(loss_of({.class_weights = {0.5, 1, 2}}, kSingle, targets), mean, 1e-6);
}

TEST(Loss, BalancesClassesByTheirCounts) {
  const at::Tensor targets = at::tensor({0, 2}, at::kLong);
  // 12 rows of 3 classes: 12 / (3 * 8), 12 / (3 * 2)
  EXPECT_DOUBLE_EQ(loss_of({.class_counts = {8, 2, 2}}, kSingle, targets),
                   loss_of({.class_weights = {0.5, 2, 2}}, kSingle, targets));
}

TEST(Loss, SmoothsLabelsOverAllClasses) {
  const at::Tensor targets = at::tensor({1, 1}, at::kLong);
  double expected = 0;
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t label = 0; label < 3; ++label) {
      expected += cross_entropy(row, label) * (0.3 / 3 + (label == 1 ? 0.7 : 0)) / 2;
    }
  }
  EXPECT_NEAR(loss_of({.label_smoothing = 0.3}, kSingle, targets), expected, 1e-6);
}

TEST(Loss, OfClassesIsFocal) {
  const at::Tensor targets = at::tensor({0, 2}, at::kLong);
  const auto focal = [](int64_t row, int64_t label, double gamma) {
    const double entropy = cross_entropy(row, label);
    return std::pow(1 - std::exp(-entropy), gamma) * entropy;
  };
  EXPECT_NEAR(loss_of({.focal_gamma = 2}, kSingle, targets), (focal(0, 0, 2) + focal(1, 2, 2)) / 2,
              1e-6);
  EXPECT_NEAR(loss_of({.class_weights = {0.5, 1, 2}, .focal_gamma = 0.5}, kSingle, targets),
              (0.5 * focal(0, 0, 0.5) + 2 * focal(1, 2, 0.5)) / 2.5, 1e-6);
}

TEST(Loss, OfEachLabelIsFocal) {
  const at::Tensor targets = at::tensor({1.0, 0.0, 1.0, 0.0, 0.5, 1.0}, at::kFloat).view({2, 3});
  const at::Tensor p = logits().sigmoid();
  const at::Tensor missed = 1 - (p * targets + (1 - p) * (1 - targets));
  const at::Tensor weight = at::tensor({3.0, 1.0, 0.5}, at::kFloat);
  const at::Tensor entropy =
      -(weight * targets * at::log_sigmoid(logits()) + (1 - targets) * at::log_sigmoid(-logits()));
  EXPECT_NEAR(loss_of({.pos_weight = {3, 1, 0.5}, .focal_gamma = 1.5}, kMulti, targets),
              (entropy * missed.pow(1.5)).mean().item<double>(), 1e-6);
}

TEST(Loss, ThatIsFocalHasASlopeWhereAllIsKnown) {
  // 1 - p is 0 in float32, where a power below 1 would have an infinite slope.
  const at::Tensor certain =
      at::tensor({60.0, 0.0, 0.0}, at::kFloat).view({1, 3}).set_requires_grad(true);
  const at::Tensor target = at::tensor({0}, at::kLong);
  Loss({.focal_gamma = 0.5}, kSingle, at::kCPU)(certain, target).backward();
  EXPECT_LT(certain.grad().abs().max().item<double>(), 1e-12);  // false for NaN
}

TEST(Loss, WeighsTargetsOfOne) {
  const at::Tensor targets = at::tensor({1.0, 0.0, 1.0, 0.0, 0.5, 1.0}, at::kFloat).view({2, 3});
  const at::Tensor weight = at::tensor({3.0, 1.0, 0.5}, at::kFloat);
  const at::Tensor of_one = targets * at::log_sigmoid(logits());
  const at::Tensor of_zero = (1 - targets) * at::log_sigmoid(-logits());
  EXPECT_NEAR(loss_of({}, kMulti, targets), -(of_one + of_zero).mean().item<double>(), 1e-6);
  EXPECT_NEAR(loss_of({.pos_weight = {3, 1, 0.5}}, kMulti, targets),
              -(weight * of_one + of_zero).mean().item<double>(), 1e-6);
}

TEST(Loss, OfScoresIsTheMeanSquare) {
  const at::Tensor targets = logits() + 2;
  EXPECT_NEAR(loss_of({}, kScores, targets), 4, 1e-6);
}

TEST(Loss, RefusesOptionsOfOtherProblemTypes) {
  const auto expect = [](const LossOptions& options, const model::BertCnnConfig& model,
                         const std::string& name) {
    const std::string message = refusal(options, model);
    EXPECT_NE(message.find(name), std::string::npos) << name << ": " << message;
    EXPECT_NE(message.find(model::name_of(model.problem_type)), std::string::npos) << message;
  };
  for (const auto& model : {kMulti, kScores}) {
    expect({.class_weights = {1, 1, 1}}, model, "classWeights");
    expect({.class_counts = {1, 1, 1}}, model, "classCounts");
    expect({.label_smoothing = 0.1}, model, "labelSmoothing");
  }
  for (const auto& model : {kSingle, kScores}) {
    expect({.pos_weight = {1, 1, 1}}, model, "posWeight");
  }
}

TEST(Loss, NamesTheLabelWhoseWeightMakesNoSense) {
  const auto expect = [](const LossOptions& options, const model::BertCnnConfig& model,
                         const std::string& part) {
    const std::string message = refusal(options, model);
    EXPECT_NE(message.find(part), std::string::npos) << part << ": " << message;
  };
  expect({.class_weights = {1, -1, 1}}, kSingle, "'fair' in classWeights but received -1");
  expect({.class_weights = {1, 1, kNan}}, kSingle, "'good' in classWeights");
  expect({.class_weights = {1e39, 1, 1}}, kSingle, "'bad' in classWeights");
  expect({.class_weights = {0, 0, 0}}, kSingle, "all are 0");
  expect({.class_weights = {1, 1}}, kSingle, "3 values, one a label, for classWeights");
  expect({.class_counts = {5, 0, 5}}, kSingle, "'fair' in classCounts but received 0");
  expect({.class_counts = {5, 5, 5, 5}}, kSingle, "for classCounts");
  expect({.class_weights = {1, 1, 1}, .class_counts = {1, 1, 1}}, kSingle, "both");
  expect({.pos_weight = {1, 1, -2}}, kMulti, "'good' in posWeight");
  expect({.pos_weight = {0, 0, 0}}, kMulti, "all are 0");
  expect({.label_smoothing = 1}, kSingle, "labelSmoothing");
  expect({.focal_gamma = -1}, kSingle, "focalGamma");
  expect({.focal_gamma = kNan}, kMulti, "focalGamma");
  expect({.label_smoothing = 0.1, .focal_gamma = 1}, kSingle, "both");
  expect({.focal_gamma = 1}, kScores, "focalGamma");
  expect({.label_smoothing = kNan}, kSingle, "labelSmoothing");
  EXPECT_EQ(refusal({.class_weights = {0, 1, 1}}, kSingle), "");
}

}  // namespace
}  // namespace bertcnn::training
