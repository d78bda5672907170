#include "kernels/dropout.h"

#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "random_model.h"

namespace bertcnn::kernels {
namespace {

using bertcnn::testing::evaluation;
using bertcnn::testing::max_difference;
using bertcnn::testing::training;

TEST(Dropout, IsTheIdentityInEvaluation) {
  const at::Tensor x = at::ones({4});
  EXPECT_TRUE(dropout(x, 0.9, evaluation()).is_same(x));
}

TEST(Dropout, DropsTheGivenShareAndKeepsTheMean) {
  const at::Tensor y = dropout(at::ones({100000}), 0.3, training(5));
  const double dropped = y.eq(0).to(at::kFloat).mean().item<double>();
  // five standard deviations: sqrt(0.3 * 0.7 / 100000) = 0.00145
  EXPECT_NEAR(dropped, 0.3, 0.0073);
  EXPECT_NEAR(y.max().item<double>(), 1 / 0.7, 1e-6);
  EXPECT_NEAR(y.mean().item<double>(), 1, 0.0105);
}

TEST(Dropout, DropsAllOrNothingAtTheEnds) {
  EXPECT_EQ(dropout(at::ones({50}), 1, training(1)).abs().max().item<double>(), 0);
  EXPECT_EQ(dropout(at::ones({50}), 0, training(1)).min().item<double>(), 1);
}

TEST(Dropout, RepeatsWithTheSameSeed) {
  const at::Tensor x = at::ones({1000});
  EXPECT_EQ(max_difference(dropout(x, 0.5, training(9)), dropout(x, 0.5, training(9))), 0);
  EXPECT_GT(max_difference(dropout(x, 0.5, training(9)), dropout(x, 0.5, training(8))), 0);
}

}  // namespace
}  // namespace bertcnn::kernels
