#include "training/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "random_model.h"

namespace bertcnn::training {
namespace {

using bertcnn::testing::max_difference;

/// One weight in a group of its own, and an optimizer of it.
struct Trained {
  explicit Trained(const TrainingOptions& options)
      : generator(model::make_generator(at::kCPU, 3)),
        weight(at::randn({4, 5}, generator, at::kFloat).set_requires_grad(true)),
        optimizer(make_optimizer(
            {{"group", options.learning_rate, options.weight_decay, {{"weight", weight}}}},
            options)) {}

  /// A gradient that is another one each time.
  at::Tensor draw_gradient() {
    weight.mutable_grad() = at::randn(weight.sizes(), generator, at::kFloat);
    return weight.grad().to(at::kDouble);
  }

  at::Generator generator;
  at::Tensor weight;
  std::unique_ptr<Optimizer> optimizer;
};

TEST(AdamW, TakesTheStepsOfItsPaper) {
  const TrainingOptions options{
      .learning_rate = 0.1, .weight_decay = 0.2, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3};
  Trained trained(options);
  at::Tensor weight = trained.weight.detach().to(at::kDouble);
  at::Tensor mean = weight * 0;
  at::Tensor square = weight * 0;
  for (int step = 1; step <= 5; ++step) {
    const at::Tensor gradient = trained.draw_gradient();
    const double rate = 0.1 * step;  // the schedule's doing
    trained.optimizer->step(step);
    mean = 0.8 * mean + 0.2 * gradient;
    square = 0.9 * square + 0.1 * gradient * gradient;
    weight = weight * (1 - rate * 0.2);
    weight = weight - rate * (mean / (1 - std::pow(0.8, step))) /
                          ((square / (1 - std::pow(0.9, step))).sqrt() + 1e-3);
    EXPECT_LT(max_difference(trained.weight.to(at::kDouble), weight), 1e-5) << "step " << step;
  }
}

TEST(Sgd, TakesTheStepsOfPyTorch) {
  for (const double momentum : {0.0, 0.9}) {
    for (const bool nesterov : {false, true}) {
      if (nesterov && momentum == 0) continue;
      Trained trained({.learning_rate = 0.1,
                       .weight_decay = 0.2,
                       .optimizer = OptimizerType::sgd,
                       .momentum = momentum,
                       .nesterov = nesterov});
      at::Tensor weight = trained.weight.detach().to(at::kDouble);
      at::Tensor buffer;
      for (int step = 1; step <= 5; ++step) {
        const at::Tensor gradient = trained.draw_gradient() + 0.2 * weight;
        trained.optimizer->step(0.5);
        buffer = buffer.defined() ? momentum * buffer + gradient : gradient;
        weight = weight - 0.05 * (nesterov ? gradient + momentum * buffer : buffer);
        EXPECT_LT(max_difference(trained.weight.to(at::kDouble), weight), 1e-5) << "step " << step;
      }
    }
  }
}

/// A step of Adafactor in float64 on a matrix, as the paper has it.
struct AdafactorByHand {
  at::Tensor weight;
  at::Tensor rows;
  at::Tensor columns;
  int step = 0;

  void take(const at::Tensor& gradient, double learning_rate, double weight_decay) {
    const double share = std::pow(++step, -0.8);
    const at::Tensor square = gradient * gradient;
    const at::Tensor row = square.mean(1, true);
    const at::Tensor column = square.mean(0, true);
    rows = rows.defined() ? rows * (1 - share) + row * share : row * share;
    columns = columns.defined() ? columns * (1 - share) + column * share : column * share;
    const at::Tensor direction = gradient / (rows.matmul(columns) / rows.mean()).sqrt();
    const auto size = [](const at::Tensor& x) { return std::sqrt((x * x).mean().item<double>()); };
    const double length =
        std::max(1e-3, size(weight)) * std::min(learning_rate, 1 / std::sqrt(step));
    weight = weight * (1 - learning_rate * weight_decay);
    weight = weight - length / std::max(1.0, size(direction)) * direction;
  }
};

TEST(Adafactor, TakesTheStepsOfItsPaper) {
  Trained trained(
      {.learning_rate = 0.1, .weight_decay = 0.2, .optimizer = OptimizerType::adafactor});
  AdafactorByHand by_hand = {trained.weight.detach().to(at::kDouble), {}, {}};
  for (int step = 1; step <= 5; ++step) {
    const at::Tensor gradient = trained.draw_gradient();
    trained.optimizer->step(0.5 * step);
    by_hand.take(gradient, 0.05 * step, 0.2);
    EXPECT_LT(max_difference(trained.weight.to(at::kDouble), by_hand.weight), 1e-5) << step;
  }
}

TEST(Adafactor, RemembersSquaresOfVectors) {
  const at::Tensor weight = at::ones({4}).set_requires_grad(true);
  const auto optimizer = make_optimizer({{"group", 0.1, 0, {{"bias", weight}}}},
                                        {.optimizer = OptimizerType::adafactor});
  std::string names;
  for (const StateTensor& state : optimizer->state()) names += state.name + " ";
  EXPECT_EQ(names, "step variance ");
  weight.mutable_grad() = at::full({4}, -2.0);
  optimizer->step(1);
  // The first step's direction is the gradient's sign, and as long as the weight's own size allows.
  EXPECT_LT(max_difference(weight, at::full({4}, 1.1)), 1e-6);
}

TEST(Optimizer, RemembersUnderTheNamesOfPyTorch) {
  const auto names = [](const TrainingOptions& options) {
    std::string names;
    for (const StateTensor& state : Trained(options).optimizer->state()) {
      EXPECT_EQ(state.parameter, "weight");
      names += state.name + " ";
    }
    return names;
  };
  EXPECT_EQ(names({}), "step exp_avg exp_avg_sq ");
  EXPECT_EQ(names({.optimizer = OptimizerType::adafactor}), "step row_var col_var ");
  EXPECT_EQ(names({.optimizer = OptimizerType::sgd}), "");
  EXPECT_EQ(names({.optimizer = OptimizerType::sgd, .momentum = 0.5}), "momentum_buffer ");
}

TEST(Optimizer, GoesOnFromACopiedStateAsTheOther) {
  for (const auto type : {OptimizerType::adamw, OptimizerType::sgd, OptimizerType::adafactor}) {
    const TrainingOptions options{
        .learning_rate = 0.1, .optimizer = type, .momentum = type == OptimizerType::sgd ? 0.9 : 0};
    Trained one(options);
    for (int step = 0; step < 3; ++step) {
      one.draw_gradient();
      one.optimizer->step(1);
    }
    Trained other(options);
    const at::NoGradGuard no_grad;
    other.weight.copy_(one.weight);
    const auto from = one.optimizer->state();
    const auto to = other.optimizer->state();
    ASSERT_EQ(from.size(), to.size());
    for (size_t i = 0; i < from.size(); ++i) to[i].tensor.copy_(from[i].tensor);
    one.draw_gradient();
    other.weight.mutable_grad() = one.weight.grad().clone();  // a step may use it up
    one.optimizer->step(1);
    other.optimizer->step(1);
    EXPECT_EQ(max_difference(one.weight, other.weight), 0);
  }
}

TEST(Optimizer, LeavesAWeightWithoutGradientAsItIs) {
  for (const auto type : {OptimizerType::adamw, OptimizerType::sgd, OptimizerType::adafactor}) {
    Trained trained({.learning_rate = 0.1, .weight_decay = 0.5, .optimizer = type});
    const at::Tensor before = trained.weight.detach().clone();
    trained.optimizer->step(1);
    EXPECT_EQ(max_difference(trained.weight, before), 0);
  }
}

TEST(Optimizer, CountsTheVersionOfWhatItChanges) {
  for (const auto type : {OptimizerType::adamw, OptimizerType::sgd, OptimizerType::adafactor}) {
    Trained trained({.learning_rate = 0.1, .optimizer = type});
    trained.draw_gradient();
    const auto before = trained.weight._version();
    trained.optimizer->step(1);
    EXPECT_GT(trained.weight._version(), before);
  }
}

}  // namespace
}  // namespace bertcnn::training
