#include "training/trainer.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <limits>

#include "error.h"
#include "random_model.h"
#include "training/targets.h"

namespace bertcnn::training {
namespace {

using bertcnn::testing::kTinyConfigWithoutDropout;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::Rows;

const Rows kRows = {{2, 9, 3}, {2, 10, 11, 12, 13, 14, 3}, {2, 7, 8, 3}};

at::Tensor targets() {
  return class_targets(std::vector<int64_t>{0, 1, 1}, 3, 2, at::kCPU);
}

at::Generator generator(uint64_t seed) {
  return model::make_generator(at::kCPU, seed);
}

std::vector<at::Tensor> copy_weights(const model::BertCnn& model) {
  std::vector<at::Tensor> copies;
  for (const auto& parameter : model.parameters()) {
    copies.push_back(parameter.tensor.detach().clone());
  }
  return copies;
}

double largest_change(const model::BertCnn& model, const std::vector<at::Tensor>& before) {
  double change = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    change = std::max(change, max_difference(model.parameters()[i].tensor, before[i]));
  }
  return change;
}

std::string failure_code(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST(Trainer, LowersTheLossOfEachVariant) {
  for (const char* variant : {"frozen", "fine-tune", "max-over-time"}) {
    // Without dropout, which makes the losses of so few rows jump.
    const model::BertCnn model =
        random_model({.variant = variant, .dropout = 0.0}, kTinyConfigWithoutDropout);
    Trainer trainer(model, {.learning_rate = 1e-2, .head_learning_rate = 1e-2}, generator(1));
    const double first = trainer.step(packed(kRows), targets(), {}).loss;
    double last = 0;
    for (int i = 1; i < 50; ++i) last = trainer.step(packed(kRows), targets(), {}).loss;
    EXPECT_EQ(trainer.step(packed(kRows), targets(), {}).step, 51);
    EXPECT_LT(last, 0.1 * first) << variant;
  }
}

TEST(Trainer, RepeatsWithTheSameSeed) {
  const auto run = [](uint64_t seed) {
    const model::BertCnn model = random_model({.variant = "max-over-time"});
    Trainer trainer(model, {}, generator(seed));
    for (int i = 0; i < 3; ++i) trainer.step(packed(kRows), targets(), {});
    return copy_weights(model);
  };
  const auto first = run(1), second = run(1), other = run(2);
  double difference = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(max_difference(first[i], second[i]), 0);
    difference = std::max(difference, max_difference(first[i], other[i]));
  }
  EXPECT_GT(difference, 0);
}

TEST(Trainer, FollowsItsSchedule) {
  const model::BertCnn model = random_model({.dropout = 0});
  Trainer trainer(model,
                  {.head_learning_rate = 1,
                   .schedule = {.type = ScheduleType::linear, .total_steps = 3, .warmup_steps = 1}},
                  generator(1));
  const auto before = copy_weights(model);
  for (const double rate : {0.0, 1.0, 0.5, 0.0}) {
    const TrainerStep step = trainer.step(packed(kRows), targets(), {});
    EXPECT_EQ(step.learning_rates, std::vector<double>(2, rate));
    if (step.step == 1) EXPECT_EQ(largest_change(model, before), 0);
  }
  EXPECT_GT(largest_change(model, before), 0);
  EXPECT_EQ(trainer.steps(), 4);
}

TEST(Trainer, LowersTheLossBySgd) {
  const model::BertCnn model = random_model({.dropout = 0.0});
  Trainer trainer(model,
                  {.head_learning_rate = 1e-2,
                   .optimizer = OptimizerType::sgd,
                   .momentum = 0.9,
                   .nesterov = true},
                  generator(1));
  const double first = trainer.step(packed(kRows), targets(), {}).loss;
  double last = 0;
  for (int i = 1; i < 50; ++i) last = trainer.step(packed(kRows), targets(), {}).loss;
  EXPECT_LT(last, 0.5 * first);
}

TEST(Trainer, ClipsTheGlobalNorm) {
  // With SGD-like settings the size of an AdamW step says nothing of the norm, so compare the norm
  // that a step reports with and without clipping: it is that before clipping, in both.
  const model::BertCnn a = random_model({.dropout = 0});
  const model::BertCnn b = random_model({.dropout = 0});
  Trainer clipped(a, {.max_grad_norm = 1e-3}, generator(1));
  Trainer unclipped(b, {.max_grad_norm = 0}, generator(1));
  const double norm = clipped.step(packed(kRows), targets(), {}).grad_norm;
  EXPECT_GT(norm, 1e-3);
  EXPECT_DOUBLE_EQ(unclipped.step(packed(kRows), targets(), {}).grad_norm, norm);
}

TEST(Trainer, LeavesEverythingAsItWasWhenAStepFails) {
  const auto check = [](const std::function<void(Trainer&)>& fail_a_step, const char* code) {
    const model::BertCnn model = random_model({.variant = "max-over-time"});
    Trainer trainer(model, {}, generator(1));
    trainer.step(packed(kRows), targets(), {});
    const auto before = copy_weights(model);
    EXPECT_EQ(failure_code([&] { fail_a_step(trainer); }), code);
    EXPECT_EQ(largest_change(model, before), 0);

    // The step after a failed one is the step that would have been taken without it.
    trainer.step(packed(kRows), targets(), {});
    const model::BertCnn twin = random_model({.variant = "max-over-time"});
    Trainer undisturbed(twin, {}, generator(1));
    undisturbed.step(packed(kRows), targets(), {});
    undisturbed.step(packed(kRows), targets(), {});
    EXPECT_EQ(largest_change(twin, copy_weights(model)), 0);
  };
  // cancelled in a layer, and just before the update
  for (const int moment : {1, 4}) {
    check(
        [moment](Trainer& trainer) {
          int asked = 0;
          trainer.step(packed(kRows), targets(), [&] { return ++asked == moment; });
        },
        "ERR_CANCELLED");
  }
}

TEST(Trainer, RefusesAStepWhoseLossIsNotFinite) {
  const model::BertCnn model = random_model();
  {
    const at::NoGradGuard no_grad;
    model.parameters().back().tensor.fill_(std::numeric_limits<float>::quiet_NaN());
  }
  Trainer trainer(model, {}, generator(1));
  const auto before = copy_weights(model);
  EXPECT_EQ(failure_code([&] { trainer.step(packed(kRows), targets(), {}); }), "ERR_NON_FINITE");
  for (size_t i = 0; i + 1 < before.size(); ++i) {
    EXPECT_EQ(max_difference(model.parameters()[i].tensor, before[i]), 0);
  }
}

TEST(Targets, NameTheRowThatIsWrong) {
  const auto code = [](const std::function<void()>& work) { return failure_code(work); };
  const std::vector<int64_t> classes = {0, 2};
  EXPECT_EQ(code([&] { class_targets(classes, 2, 2, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { class_targets(classes, 3, 3, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { class_targets(classes, 2, 3, at::kCPU); }), "");
  const std::vector<float> values = {0.5F, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(code([&] { float_targets(values, 2, 1, false, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { float_targets(values, 1, 1, false, at::kCPU); }), "ERR_INVALID_LABELS");
  const std::vector<float> large = {0.5F, 1.5F};
  EXPECT_EQ(code([&] { float_targets(large, 1, 2, true, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { float_targets(large, 1, 2, false, at::kCPU); }), "");
}

}  // namespace
}  // namespace bertcnn::training
