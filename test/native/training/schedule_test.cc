#include "training/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace bertcnn::training {
namespace {

/// The factors of steps 0, 1, 2, ...
std::vector<double> factors(const ScheduleOptions& schedule, int64_t steps,
                            double learning_rate = 5e-5) {
  const TrainingOptions options{.learning_rate = learning_rate, .schedule = schedule};
  std::vector<double> result;
  for (int64_t step = 0; step < steps; ++step) {
    result.push_back(learning_rate_multiplier(options, step));
  }
  return result;
}

void expect_factors(const std::vector<double>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t step = 0; step < got.size(); ++step) {
    EXPECT_NEAR(got[step], expected[step], 1e-15) << "step " << step;
  }
}

TEST(Schedule, ConstantStaysAfterWarmup) {
  expect_factors(factors({}, 3), {1, 1, 1});
  expect_factors(factors({.warmup_steps = 2}, 4), {0, 0.5, 1, 1});
}

TEST(Schedule, LinearFallsToZeroAndStays) {
  expect_factors(factors({.type = ScheduleType::linear, .total_steps = 6, .warmup_steps = 2}, 9),
                 {0, 0.5, 1, 0.75, 0.5, 0.25, 0, 0, 0});
}

TEST(Schedule, CosineFallsAsHalfAWave) {
  const double root = std::sqrt(0.5);
  expect_factors(factors({.type = ScheduleType::cosine, .total_steps = 4}, 5),
                 {1, (1 + root) / 2, 0.5, (1 - root) / 2, 0});
}

TEST(Schedule, PolynomialFallsToItsEndAndStays) {
  // of a learning rate of 1e-6 the end, 1e-7, is a tenth
  expect_factors(factors({.type = ScheduleType::polynomial, .total_steps = 2, .power = 2}, 5, 1e-6),
                 {1, 0.9 * 0.25 + 0.1, 0.1, 0.1, 0.1});
}

TEST(Schedule, InverseSquareRootCountsInWarmupSteps) {
  expect_factors(factors({.type = ScheduleType::inverse_sqrt, .warmup_steps = 1}, 5),
                 {0, 1, std::sqrt(1 / 2.), std::sqrt(1 / 3.), 0.5});
  expect_factors(factors({.type = ScheduleType::inverse_sqrt}, 2), {1, 1 / std::sqrt(1.0001)});
}

TEST(Schedule, RoundsTheRatioOfWarmupUp) {
  const ScheduleOptions ratio{
      .type = ScheduleType::linear, .total_steps = 10, .warmup_ratio = 0.15};
  const ScheduleOptions steps{.type = ScheduleType::linear, .total_steps = 10, .warmup_steps = 2};
  expect_factors(factors(ratio, 11), factors(steps, 11));
}

TEST(Schedule, OfNothingButWarmupNeverDivides) {
  expect_factors(factors({.type = ScheduleType::linear, .total_steps = 2, .warmup_steps = 2}, 4),
                 {0, 0.5, 0, 0});
}

}  // namespace
}  // namespace bertcnn::training
