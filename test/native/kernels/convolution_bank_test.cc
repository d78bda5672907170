#include "kernels/convolution_bank.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "random_model.h"

namespace bertcnn::kernels {
namespace {

using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::Rows;

constexpr int64_t kHidden = 6;
constexpr int64_t kFilters = 5;
const std::vector<int64_t> kSizes = {2, 1, 4};

/// In float32 by kernels of ours; in float64, which those do not take, by libtorch's operations, as
/// on devices that are no CPU.
class ConvolutionBankTest : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  ConvolutionBankTest() : bank_(kHidden, kSizes, kFilters, GetParam()) {
    bank_.parameters({"a.", "b.", "c."}, weights_);
    for (const Parameter& weight : weights_) weight.tensor.normal_(0, 1, generator_);
  }

  at::Tensor random(at::IntArrayRef sizes) { return at::randn(sizes, generator_, GetParam()); }

  /// One sequence alone, extended with zero vectors to the kernel's size where it is shorter.
  at::Tensor alone(const at::Tensor& sequence) {
    std::vector<at::Tensor> features;
    for (size_t i = 0; i < kSizes.size(); ++i) {
      at::Tensor x = sequence;
      if (x.size(0) < kSizes[i])
        x = at::cat({x, at::zeros({kSizes[i] - x.size(0), kHidden}, x.options())});
      const at::Tensor y =
          at::conv1d(x.t().unsqueeze(0), weights_[2 * i].tensor, weights_[2 * i + 1].tensor);
      features.push_back(at::relu(y).amax({2}));
    }
    return at::cat(features, 1);
  }

  at::Generator generator_ = model::make_generator(at::kCPU, 3);
  ConvolutionBank bank_;
  ParameterList weights_;
};

TEST_P(ConvolutionBankTest, TakesTheMaximumWithinEachSequence) {
  const PackedBatch batch = packed(Rows{{1, 2, 3, 4, 5}, {1, 2, 3, 4}, {1, 2, 3, 4, 5, 6, 7}});
  const at::Tensor hidden = random({16, kHidden});
  const at::Tensor features = bank_.forward({hidden, {hidden}}, batch, {});
  for (int64_t b = 0; b < 3; ++b) {
    const at::Tensor expected = alone(hidden.narrow(0, batch.offsets[b], batch.length(b)));
    EXPECT_LT(max_difference(features.narrow(0, b, 1), expected), 1e-5) << "sequence " << b;
  }
}

TEST_P(ConvolutionBankTest, ExtendsShortSequencesToExactlyOneWindow) {
  const PackedBatch batch = packed(Rows{{1}, {1, 2, 3, 4, 5}, {1, 2}, {1, 2, 3}});
  const at::Tensor hidden = random({11, kHidden});
  const at::Tensor features = bank_.forward({hidden, {hidden}}, batch, {});
  for (int64_t b = 0; b < 4; ++b) {
    const at::Tensor expected = alone(hidden.narrow(0, batch.offsets[b], batch.length(b)));
    EXPECT_LT(max_difference(features.narrow(0, b, 1), expected), 1e-5) << "sequence " << b;
  }
}

TEST_P(ConvolutionBankTest, SendsGradientsWhereTheMaximaCameFrom) {
  for (const Parameter& weight : weights_) weight.tensor.set_requires_grad(true);
  const PackedBatch batch = packed(Rows{{1, 2}, {1, 2, 3, 4, 5}});
  at::Tensor hidden = random({7, kHidden}).set_requires_grad(true);
  const at::Tensor scale = random({2, 15});
  (bank_.forward({hidden, {hidden}}, batch, {}) * scale).sum().backward();
  const at::Tensor packed_gradient = hidden.grad().clone();
  const at::Tensor packed_weight_gradient = weights_[4].tensor.grad().clone();
  hidden.mutable_grad().reset();
  weights_[4].tensor.mutable_grad().reset();

  (at::cat({alone(hidden.narrow(0, 0, 2)), alone(hidden.narrow(0, 2, 5))}) * scale)
      .sum()
      .backward();
  EXPECT_GT(hidden.grad().abs().max().item<double>(), 0);
  EXPECT_LT(max_difference(packed_gradient, hidden.grad()), 1e-5);
  EXPECT_LT(max_difference(packed_weight_gradient, weights_[4].tensor.grad()), 1e-5);
}

TEST_P(ConvolutionBankTest, SharesGradientsAmongEqualMaxima) {
  // Weights of zero and a bias of one: every window of a sequence has the same value.
  for (const Parameter& weight : weights_) {
    weight.tensor.fill_(weight.tensor.dim() == 1 ? 1 : 0).set_requires_grad(true);
  }
  const PackedBatch batch = packed(Rows{{1, 2, 3, 4, 5}, {1, 2}});
  const at::Tensor hidden = random({7, kHidden});
  const at::Tensor scale = random({2, 15});  // of both signs
  const auto gradients = [&](const at::Tensor& features) {
    for (const Parameter& weight : weights_) weight.tensor.mutable_grad().reset();
    (features * scale).sum().backward();
    std::vector<at::Tensor> copies;
    for (const Parameter& weight : weights_) copies.push_back(weight.tensor.grad().clone());
    return copies;
  };
  const auto got = gradients(bank_.forward({hidden, {hidden}}, batch, {}));
  const auto expected =
      gradients(at::cat({alone(hidden.narrow(0, 0, 5)), alone(hidden.narrow(0, 5, 2))}));
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_LT(max_difference(got[i], expected[i]), 1e-5) << weights_[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(, ConvolutionBankTest, ::testing::Values(at::kFloat, at::kDouble),
                         [](const auto& type) { return std::string(c10::toString(type.param)); });

}  // namespace
}  // namespace bertcnn::kernels
