#include "kernels/trained_linear.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

namespace bertcnn::kernels {
namespace {

constexpr int64_t kIn = 48;
constexpr int64_t kOut = 33;

/// Which library multiplies, until the end of the test.
class TrainedLinear : public ::testing::TestWithParam<const char*> {
 protected:
  TrainedLinear() { setenv("BERTCNN_LINEAR", GetParam(), 1); }
  ~TrainedLinear() override { unsetenv("BERTCNN_LINEAR"); }
};

struct Result {
  at::Tensor output;
  std::array<at::Tensor, 3> gradients;  // of x, weight and bias
};

/// Of sum(output * direction), for those of x, weight and bias that are trained.
template <typename Layer>
Result run(const at::Tensor& x, const std::array<bool, 3>& trained, Layer&& layer) {
  at::manual_seed(2);
  std::array<at::Tensor, 3> leaves = {x.clone(), at::randn({kOut, kIn}), at::randn({kOut})};
  for (size_t i = 0; i < leaves.size(); ++i) leaves[i].requires_grad_(trained[i]);
  const at::Tensor direction = at::randn({x.size(0), kOut});
  // What a layer gets is seldom a leaf, and may be a view.
  const at::Tensor output = layer(leaves[0] * 1.0, leaves[1], leaves[2]);
  if (output.requires_grad()) (output * direction).sum().backward();
  return {output.detach(), {leaves[0].grad(), leaves[1].grad(), leaves[2].grad()}};
}

void expect_close(const at::Tensor& got, const at::Tensor& expected) {
  ASSERT_EQ(got.defined(), expected.defined());
  if (!got.defined()) return;
  ASSERT_EQ(got.sizes(), expected.sizes());
  EXPECT_LE((got - expected).norm().item<float>(), 1e-6F * expected.norm().item<float>());
}

TEST_P(TrainedLinear, MultipliesFloat64InFloat32) {
  at::manual_seed(3);
  std::array<at::Tensor, 3> leaves = {at::randn({5, kIn}, at::kDouble),
                                      at::randn({kOut, kIn}, at::kDouble),
                                      at::randn({kOut}, at::kDouble)};
  for (at::Tensor& leaf : leaves) leaf.requires_grad_(true);
  const auto& [x, weight, bias] = leaves;
  const at::Tensor output = trained_linear(x, {weight, bias}, TrainedType::float32);
  EXPECT_EQ(output.scalar_type(), at::kFloat);
  expect_close(output.detach().to(at::kDouble), at::linear(x, weight, bias).detach());
  output.sum().backward();
  for (const at::Tensor& leaf : leaves) EXPECT_EQ(leaf.grad().scalar_type(), at::kDouble);
}

TEST_P(TrainedLinear, HasTheValuesAndGradientsOfLinear) {
  const std::array<std::array<bool, 3>, 5> settings = {{{true, true, true},
                                                        {false, true, true},
                                                        {true, false, false},
                                                        {false, false, true},
                                                        {false, false, false}}};
  for (const int64_t rows : {1, 7, 130}) {
    at::manual_seed(1);
    const at::Tensor x = at::randn({rows, kIn});
    for (const auto& trained : settings) {
      const Result got =
          run(x, trained, [](const auto& input, const auto& weight, const auto& bias) {
            return trained_linear(input, {weight, bias});
          });
      const Result expected =
          run(x, trained, [](const auto&... inputs) { return at::linear(inputs...); });
      expect_close(got.output, expected.output);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(got.gradients[i].defined(), trained[i]);
        expect_close(got.gradients[i], expected.gradients[i]);
      }
    }
  }
}

TEST_P(TrainedLinear, TakesViewsAsInputAndAsGradient) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({20, kIn});
  const auto through_views = [](const auto& layer) {
    return [&layer](const auto& input, const auto& weight, const auto& bias) {
      const at::Tensor column_major = input.t().contiguous().t();
      return layer(column_major, weight, bias).t().cumsum(1).t();
    };
  };
  const auto ours = [](const auto& input, const auto& weight, const auto& bias) {
    return trained_linear(input, {weight, bias});
  };
  const auto theirs = [](const auto&... inputs) { return at::linear(inputs...); };
  const Result got = run(x, {true, true, true}, through_views(ours));
  const Result expected = run(x, {true, true, true}, through_views(theirs));
  expect_close(got.output, expected.output);
  for (size_t i = 0; i < 3; ++i) expect_close(got.gradients[i], expected.gradients[i]);
}

INSTANTIATE_TEST_SUITE_P(Libraries, TrainedLinear, ::testing::Values("onednn", "aten"));

}  // namespace
}  // namespace bertcnn::kernels
