#include "kernels/convolution_bank.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>

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
  ConvolutionBankTest() : bank_(kHidden, {kSizes, kFilters, {}, {}}, GetParam()) {
    bank_.parameters(true, weights_);
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

/// A head's form, and what it makes of one sequence's windows, `[F or 2F, W]` -> `[1, features]`.
struct FormCase {
  std::string name;
  ConvolutionActivation activation;
  Pooling pooling;
};

/// Each form beside libtorch's own operations on one sequence after another.
class ConvolutionFormTest : public ::testing::TestWithParam<FormCase> {
 protected:
  static constexpr int64_t kRows = 3;

  ConvolutionFormTest()
      : bank_(kHidden, {kSizes, kFilters, GetParam().activation, GetParam().pooling}, at::kFloat) {
    bank_.parameters(true, weights_);
    bank_.pooling_parameters(true, attention_);
    for (const auto* list : {&weights_, &attention_}) {
      for (const Parameter& weight : *list) {
        weight.tensor.normal_(0, 1, generator_).set_requires_grad(true);
      }
    }
  }

  at::Tensor pooled(const at::Tensor& x, size_t i) const {
    const Pooling& pooling = GetParam().pooling;
    switch (pooling.kind) {
      case PoolingKind::max:
        return x.amax({1});
      case PoolingKind::mean:
        return x.mean(1);
      case PoolingKind::max_mean:
        return at::cat({x.amax({1}), x.mean(1)});
      case PoolingKind::attention:
        return x.matmul(at::softmax(attention_[i].tensor.matmul(x), 1).t()).squeeze(1);
      case PoolingKind::k_max:
        break;
    }
    std::vector<at::Tensor> filters;
    for (int64_t f = 0; f < x.size(0); ++f) {
      const int64_t count = std::min(pooling.k, x.size(1));
      const at::Tensor places = std::get<1>(x[f].detach().topk(count));
      const at::Tensor kept = x[f].index_select(0, std::get<0>(places.sort()));
      filters.push_back(at::cat({kept, at::zeros({pooling.k - count})}));
    }
    return at::cat(filters);
  }

  at::Tensor alone(const at::Tensor& sequence) const {
    std::vector<at::Tensor> features;
    for (size_t i = 0; i < kSizes.size(); ++i) {
      at::Tensor x = sequence;
      if (x.size(0) < kSizes[i]) x = at::cat({x, at::zeros({kSizes[i] - x.size(0), kHidden})});
      x = at::conv1d(x.t().unsqueeze(0), weights_[2 * i].tensor, weights_[2 * i + 1].tensor)[0];
      switch (GetParam().activation) {
        case ConvolutionActivation::relu:
          x = at::relu(x);
          break;
        case ConvolutionActivation::gelu:
          x = at::gelu(x);
          break;
        case ConvolutionActivation::tanh:
          x = at::tanh(x);
          break;
        case ConvolutionActivation::glu:
          x = x.narrow(0, 0, kFilters) * at::sigmoid(x.narrow(0, kFilters, kFilters));
          break;
      }
      features.push_back(pooled(x, i));
    }
    return at::cat(features);
  }

  /// All gradients of a sum of the features that weighs each otherwise.
  std::vector<at::Tensor> gradients(const at::Tensor& features, const at::Tensor& hidden) {
    for (const auto* list : {&weights_, &attention_}) {
      for (const Parameter& weight : *list) weight.tensor.mutable_grad().reset();
    }
    hidden.mutable_grad().reset();
    const at::Tensor scale = at::linspace(-1, 2, features.numel()).view(features.sizes());
    (features * scale).sum().backward();
    std::vector<at::Tensor> result = {hidden.grad().clone()};
    for (const auto* list : {&weights_, &attention_}) {
      for (const Parameter& weight : *list) result.push_back(weight.tensor.grad().clone());
    }
    return result;
  }

  at::Generator generator_ = model::make_generator(at::kCPU, 5);
  ConvolutionBank bank_;
  ParameterList weights_;
  ParameterList attention_;
};

TEST_P(ConvolutionFormTest, IsWhatLibtorchMakesOfEachSequence) {
  const PackedBatch batch = packed(Rows{{1, 2, 3, 4, 5, 6}, {1}, {1, 2, 3}});
  const at::Tensor hidden = at::randn({10, kHidden}, generator_).set_requires_grad(true);
  const auto expected_features = [&] {
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < kRows; ++b) {
      rows.push_back(alone(hidden.narrow(0, batch.offsets[b], batch.length(b))));
    }
    return at::stack(rows);
  };
  const at::Tensor features = bank_.forward({hidden, {hidden}}, batch, {});
  const at::Tensor expected = expected_features();
  EXPECT_LT(max_difference(features, expected), 1e-5);
  const auto got = gradients(features, hidden);
  const auto wanted = gradients(expected, hidden);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_GT(wanted[i].abs().max().item<double>(), 0) << i;
    EXPECT_LT(max_difference(got[i], wanted[i]), 2e-5) << i;
  }
  // Packed it is the same.
  bank_.pack(Arithmetic::float32);
  const c10::InferenceMode inference;
  ForwardContext context;
  context.arithmetic = Arithmetic::float32;
  EXPECT_LT(max_difference(bank_.forward({hidden, {hidden.detach()}}, batch, context), expected),
            1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    , ConvolutionFormTest,
    ::testing::Values(FormCase{"gelu", ConvolutionActivation::gelu, {}},
                      FormCase{"tanh", ConvolutionActivation::tanh, {}},
                      FormCase{"glu", ConvolutionActivation::glu, {}},
                      FormCase{"mean", ConvolutionActivation::relu, {PoolingKind::mean}},
                      FormCase{"max_mean", ConvolutionActivation::tanh, {PoolingKind::max_mean}},
                      FormCase{"k_max", ConvolutionActivation::gelu, {PoolingKind::k_max, 3}},
                      FormCase{"attention", ConvolutionActivation::relu, {PoolingKind::attention}},
                      FormCase{
                          "glu_attention", ConvolutionActivation::glu, {PoolingKind::attention}}),
    [](const auto& form) { return form.param.name; });

INSTANTIATE_TEST_SUITE_P(, ConvolutionBankTest, ::testing::Values(at::kFloat, at::kDouble),
                         [](const auto& type) { return std::string(c10::toString(type.param)); });

}  // namespace
}  // namespace bertcnn::kernels
