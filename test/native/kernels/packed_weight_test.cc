#include "kernels/packed_weight.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "kernels/cpu/rows.h"
#include "kernels/few_rows.h"
#include "kernels/layer_norm.h"
#include "kernels/linear_tuning.h"
#include "kernels/onednn.h"

namespace bertcnn::kernels {
namespace {

/// Every arithmetic that this processor has.
std::vector<Arithmetic> arithmetics() {
  std::vector<Arithmetic> all = {Arithmetic::float32, Arithmetic::int8};
  if (unsupported_reason(Arithmetic::bfloat16).empty()) all.push_back(Arithmetic::bfloat16);
  return all;
}

double relative_bound(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::float32) return 2e-6;
  return arithmetic == Arithmetic::bfloat16 ? 1e-2 : 2e-2;
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

class PackedWeightTest : public ::testing::TestWithParam<const char*> {
 protected:
  PackedWeightTest() {
    at::manual_seed(5);
    setenv("BERTCNN_LINEAR", GetParam(), 1);
  }
  ~PackedWeightTest() override { unsetenv("BERTCNN_LINEAR"); }

  std::vector<PlainWeight> weights_ = {{at::randn({24, 40}), at::randn({24})},
                                       {at::randn({10, 40}), at::randn({10})}};
  at::Tensor x_ = at::randn({7, 40});
  at::Tensor expected_ = at::linear(x_, at::cat({weights_[0].weight, weights_[1].weight}),
                                    at::cat({weights_[0].bias, weights_[1].bias}));
};

INSTANTIATE_TEST_SUITE_P(Libraries, PackedWeightTest, ::testing::Values("onednn", "aten"));

TEST_P(PackedWeightTest, MultipliesAsTheStackedWeights) {
  for (const Arithmetic arithmetic : arithmetics()) {
    const PackedWeight packed = PackedWeight::pack(weights_, arithmetic);
    const Product product = packed.multiply(operand_of(x_, arithmetic));
    EXPECT_LT(relative_difference(dense(product), expected_), relative_bound(arithmetic));
  }
}

TEST_P(PackedWeightTest, AppliesEveryActivation) {
  for (const Arithmetic arithmetic : arithmetics()) {
    const PackedWeight packed = PackedWeight::pack(weights_, arithmetic);
    for (const Activation activation :
         {Activation::gelu, Activation::gelu_tanh, Activation::gelu_clipped, Activation::quick_gelu,
          Activation::relu, Activation::silu, Activation::tanh}) {
      const Operand y = packed.multiply(operand_of(x_, arithmetic), activation);
      at::Tensor values = y.values.to(at::kFloat);
      if (y.scales.defined()) {
        values = y.scales.unsqueeze(1) * (values - y.zeros.unsqueeze(1));
      }
      EXPECT_LT(relative_difference(values, activate(expected_, activation)),
                2 * relative_bound(arithmetic) + 1e-6)
          << static_cast<int>(activation);
    }
  }
}

TEST_P(PackedWeightTest, RestoresReleasedFloat32BitForBit) {
  const PackedWeight packed = PackedWeight::pack(weights_, Arithmetic::float32);
  const at::Tensor before = weights_[1].weight.clone();
  const uint32_t version = weights_[1].weight._version();
  release_memory(weights_);
  EXPECT_TRUE(is_released(weights_[1].weight));
  EXPECT_TRUE(packed.restore(weights_));
  EXPECT_FALSE(is_released(weights_[1].weight));
  EXPECT_TRUE(weights_[1].weight.equal(before));
  EXPECT_EQ(weights_[1].weight._version(), version);
}

TEST_P(PackedWeightTest, KnowsTheWeightsThatItCanNotRestore) {
  for (const Arithmetic arithmetic : arithmetics()) {
    if (arithmetic == Arithmetic::float32) continue;
    const PackedWeight packed = PackedWeight::pack(weights_, arithmetic);
    const at::Tensor first = weights_[0].weight.clone();
    const at::Tensor second = weights_[1].weight.clone();
    release_memory(weights_);
    EXPECT_FALSE(packed.restore(weights_));
    weights_[0].weight.copy_(first);
    weights_[1].weight.copy_(second);
    EXPECT_TRUE(packed.packs(weights_));
    weights_[1].weight[3][4].add_(1e-6);
    EXPECT_FALSE(packed.packs(weights_));
    weights_[1].weight.copy_(second);
  }
}

TEST_P(PackedWeightTest, PacksAnewExactlyWhenAWeightHasChanged) {
  for (const Arithmetic arithmetic : arithmetics()) {
    PackedWeight packed;
    packed.update(weights_, arithmetic);
    const at::Tensor before = dense(packed.multiply(operand_of(x_, arithmetic)));
    weights_[1].bias.add_(1);
    EXPECT_TRUE(dense(packed.multiply(operand_of(x_, arithmetic))).equal(before));
    packed.update(weights_, arithmetic);
    const at::Tensor after = dense(packed.multiply(operand_of(x_, arithmetic)));
    EXPECT_NEAR((after - before).sum().item<double>(), 7 * 10, 1);
    // What was changed behind the version's back is not seen: nothing is packed twice.
    weights_[0].weight.data_ptr<float>()[0] += 100;
    packed.update(weights_, arithmetic);
    EXPECT_TRUE(dense(packed.multiply(operand_of(x_, arithmetic))).equal(after));
    weights_[0].weight.data_ptr<float>()[0] -= 100;
  }
}

TEST_P(PackedWeightTest, AChannelOfZerosIsZeroInInt8) {
  weights_[0].weight[2].zero_();
  weights_[0].bias.zero_();
  const PackedWeight packed = PackedWeight::pack(weights_, Arithmetic::int8);
  const at::Tensor y = dense(packed.multiply(operand_of(x_, Arithmetic::int8)));
  EXPECT_EQ(y.select(1, 2).abs().max().item<double>(), 0);
}

TEST(FewRows, AreMultipliedAsMany) {
  at::manual_seed(6);
  unsetenv("BERTCNN_LINEAR");
  setenv("BERTCNN_CACHE", ::testing::TempDir().c_str(), 1);
  for (const auto& [in, out] : {std::pair{96, 128}, {768, 192}, {100, 64}}) {
    const std::vector<PlainWeight> weights = {{at::randn({out, in}), at::randn({out})}};
    const PackedWeight packed = PackedWeight::pack(weights, Arithmetic::float32);
    const at::Tensor x = at::randn({kMostFewRows + 2, in});
    const at::Tensor expected = at::linear(x.to(at::kDouble), weights[0].weight.to(at::kDouble),
                                           weights[0].bias.to(at::kDouble));
    for (int64_t rows = 1; rows <= x.size(0); ++rows) {
      const Operand operand{x.narrow(0, 0, rows)};
      const at::Tensor want = expected.narrow(0, 0, rows);
      EXPECT_LT(relative_difference(dense(packed.multiply(operand)), want), 2e-6) << rows;
      EXPECT_LT(relative_difference(packed.multiply(operand, Activation::quick_gelu).values,
                                    activate(want, Activation::quick_gelu)),
                2e-6)
          << rows;
    }
  }
  unsetenv("BERTCNN_CACHE");
}

TEST(FewRows, HaveTheirOwnKernelOnlyInWholePanels) {
  const bool avx512 = at::get_cpu_capability() == "AVX512";
  EXPECT_EQ(few_rows_supports(768, 768), avx512);
  EXPECT_FALSE(few_rows_supports(768, 100));
}

TEST(CentredOperands, SpanLessInInt8) {
  at::manual_seed(7);
  constexpr int64_t kSize = 64;
  LayerNorm norm(kSize, 1e-12, {});
  ParameterList list;
  norm.parameters("", list);
  const at::NoGradGuard no_grad;
  list[1].tensor.select(0, 5).fill_(40);  // the bias, of one column
  const at::Tensor x = at::randn({30, kSize});
  const std::vector<PlainWeight> weights = {{at::randn({24, kSize}), at::randn({24})}};
  const at::Tensor expected = at::linear(norm.forward(x), weights[0].weight, weights[0].bias);
  const auto error = [&](LayerNorm* before) {
    const PackedWeight packed = PackedWeight::pack(weights, Arithmetic::int8, before);
    const HiddenStates hidden =
        layer_norm_rows({x}, at::zeros_like(x), norm.weights(), Arithmetic::int8);
    EXPECT_LT((hidden.values - norm.forward(x)).abs().max().item<double>(), 1e-4);
    return relative_difference(dense(packed.multiply(hidden.operand)), expected);
  };
  const double without = error(nullptr);
  EXPECT_LT(error(&norm), 0.5 * without);
  EXPECT_LT(without, 0.1);
}

TEST(LargestUint8, NoProductSaturates) {
  const int largest = onednn::largest_uint8();
  EXPECT_TRUE(largest == 255 || largest == 127);
  constexpr int64_t kTerms = 512;
  for (const int sign : {1, -1}) {
    const at::Tensor weight = onednn::pack_int8(at::full({32, kTerms}, sign * 127, at::kChar));
    const at::Tensor y = onednn::linear_int8(at::full({5, kTerms}, largest, at::kByte), weight,
                                             at::ones({32}), at::zeros({32}, at::kInt));
    EXPECT_TRUE(y.eq(sign * 127.0 * largest * kTerms).all().item<bool>());
  }
}

TEST(LinearLibraryTest, AnUnknownNameIsRefused) {
  setenv("BERTCNN_LINEAR", "blas", 1);
  EXPECT_THROW(choose_linear_library(Arithmetic::float32, 8, 8), Error);
  unsetenv("BERTCNN_LINEAR");
}

TEST(LinearLibraryTest, IsThatOfTheRunThatGoesOn) {
  const std::string shape = "float32 9 -> 8";
  choose_linear_libraries({{shape, "aten"}});
  EXPECT_EQ(choose_linear_library(Arithmetic::float32, 9, 8), LinearLibrary::aten);
  choose_linear_libraries({{shape, "onednn"}});
  EXPECT_EQ(choose_linear_library(Arithmetic::float32, 9, 8), LinearLibrary::onednn);
  EXPECT_THROW(choose_linear_libraries({{shape, "aten"}, {"float32 9 -> 9", "blas"}}), Error);
  EXPECT_EQ(chosen_linear_libraries().at(shape), "onednn");
}

}  // namespace
}  // namespace bertcnn::kernels
