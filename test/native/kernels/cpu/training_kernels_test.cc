// Each instruction set's training kernels against the same computed by libtorch in float64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/tables.h"

namespace bertcnn::kernels::cpu {
namespace {

class TrainingKernels : public ::testing::TestWithParam<const RowKernels*> {
 protected:
  TrainingKernels() { at::manual_seed(4); }

  at::Tensor factors(const Dropout& dropout, int64_t rows, int64_t size) const {
    at::Tensor result = at::empty({rows, size});
    for (int64_t row = 0; row < rows; ++row) {
      kernels_.dropout_factors(dropout, row, size, result[row].mutable_data_ptr<float>());
    }
    return result;
  }

  const RowKernels& kernels_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Tables, TrainingKernels, ::testing::ValuesIn(all_tables()), table_name);

/// Philox4x32-10 as the paper defines it, one counter at a time.
std::array<uint32_t, 4> philox(uint64_t key, std::array<uint32_t, 4> c) {
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

TEST(Philox, GivesThePublishedAnswers) {
  using Words = std::array<uint32_t, 4>;
  constexpr uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(philox(0, {}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(~uint64_t{0}, {kOnes, kOnes, kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

float factor_of(uint32_t word, double keep) {
  return static_cast<double>(word) < std::floor(keep * 4294967296.0) ? static_cast<float>(1 / keep)
                                                                     : 0.0F;
}

constexpr uint64_t kKey = 0x123456789ABCDEF1;

TEST_P(TrainingKernels, DropoutIsDrawnByPhilox) {
  for (const double keep : {0.9, 0.25}) {
    for (const int64_t size : {1, 15, 64, 65, 200}) {
      for (const int64_t row : {0, 3, 100000}) {
        std::vector<float> got(size, -1);
        kernels_.dropout_factors({kKey, keep}, row, size, got.data());
        for (int64_t column = 0; column < size; ++column) {
          const auto counter = static_cast<uint32_t>(column / 64 * 16 + column % 16);
          const auto words = philox(kKey, {counter, static_cast<uint32_t>(row), 0, 0});
          ASSERT_EQ(got[column], factor_of(words[column % 64 / 16], keep)) << row << " " << column;
        }
      }
    }
  }
}

TEST_P(TrainingKernels, DropoutKeepsTheGivenShare) {
  for (const double p : {0.1, 0.5, 0.9}) {
    constexpr double kCount = 1000 * 1000;
    const at::Tensor drawn = factors({kKey, 1 - p}, 1000, 1000);
    const double share = drawn.eq(0).sum().item<double>() / kCount;
    EXPECT_NEAR(share, p, 5 * std::sqrt(p * (1 - p) / kCount));
    // Neighbours in a row and in a column have nothing to do with each other.
    const at::Tensor kept = drawn.gt(0).to(at::kDouble) - (1 - p);
    for (const int64_t dim : {0, 1}) {
      const double correlation =
          (kept.narrow(dim, 0, 999) * kept.narrow(dim, 1, 999)).mean().item<double>();
      EXPECT_NEAR(correlation, 0, 5 * p * (1 - p) / std::sqrt(kCount));
    }
  }
  EXPECT_TRUE(factors({kKey, 1}, 3, 70).eq(1).all().item<bool>());
  EXPECT_TRUE(factors({kKey, 0}, 3, 70).eq(0).all().item<bool>());
  EXPECT_FALSE(factors({kKey, 0.5}, 3, 70).equal(factors({kKey + 1, 0.5}, 3, 70)));
}

double difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

ProductRows view(const at::Tensor& x) {
  const bool half = x.scalar_type() == at::kBFloat16;
  return {x.const_data_ptr(), half ? Element::bfloat16 : Element::float32, x.stride(0)};
}

TEST_P(TrainingKernels, DropoutLayerNormForwardAndBackward) {
  for (const int64_t size : {1, 20, 96, 130}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (const double keep : {1.0, 0.7}) {
        SCOPED_TRACE(std::to_string(size) + " " + std::to_string(keep));
        constexpr int64_t kRows = 9;
        const Dropout dropout{kKey, keep};
        const at::Tensor x = at::randn({kRows, size}).to(type);
        const at::Tensor residual = at::randn({kRows, size}) + 3;
        const at::Tensor weight = at::randn({size});
        const at::Tensor bias = at::randn({size});
        const at::Tensor dy = at::randn({kRows, size});
        const at::Tensor sum = at::empty({kRows, size});
        const at::Tensor mean = at::empty({kRows});
        const at::Tensor inverse = at::empty({kRows});
        const at::Tensor output = at::empty({kRows, size});
        const auto data = [](const at::Tensor& t) { return t.mutable_data_ptr<float>(); };
        const DropoutLayerNormRows task = {.x = view(x),
                                           .residual = data(residual),
                                           .dropout = dropout,
                                           .weight = data(weight),
                                           .bias = data(bias),
                                           .epsilon = 1e-5F,
                                           .size = size,
                                           .sum = data(sum),
                                           .mean = data(mean),
                                           .inverse = data(inverse),
                                           .output = data(output)};
        kernels_.dropout_layer_norm(task, 0, 4);
        kernels_.dropout_layer_norm(task, 4, kRows);
        at::Tensor dx = at::empty({kRows, size}, type);
        const at::Tensor dresidual = at::empty({kRows, size});
        const at::Tensor dweight = at::full({size}, 1.0F);
        const at::Tensor dbias = at::full({size}, 2.0F);
        kernels_.dropout_layer_norm_gradient({.output_gradient = data(dy),
                                              .sum = data(sum),
                                              .mean = data(mean),
                                              .inverse = data(inverse),
                                              .dropout = dropout,
                                              .weight = data(weight),
                                              .size = size,
                                              .residual_gradient = data(dresidual),
                                              .x_gradient = dx.mutable_data_ptr(),
                                              .element = view(dx).element,
                                              .weight_gradient = data(dweight),
                                              .bias_gradient = data(dbias)},
                                             0, kRows);

        std::array<at::Tensor, 4> leaves = {x.to(at::kDouble), residual.to(at::kDouble),
                                            weight.to(at::kDouble), bias.to(at::kDouble)};
        for (at::Tensor& leaf : leaves) leaf.requires_grad_(true);
        const at::Tensor kept = factors(dropout, kRows, size).to(at::kDouble);
        const at::Tensor expected =
            at::layer_norm(leaves[0] * kept + leaves[1], {size}, leaves[2], leaves[3], 1e-5);
        (expected * dy).sum().backward();
        EXPECT_LT(difference(output, expected.detach()), 1e-6);
        if (size == 1) {  // a single value has no variance: nothing reaches it
          EXPECT_LT(dresidual.abs().max().item<double>(), 1e-3);
        } else {
          EXPECT_LT(difference(dresidual, leaves[1].grad()), 3e-6);
          EXPECT_LT(difference(dx, leaves[0].grad()), type == at::kFloat ? 3e-6 : 4e-3);
          EXPECT_LT(difference(dweight - 1, leaves[2].grad()), 3e-6);
        }
        EXPECT_LT(difference(dbias - 2, leaves[3].grad()), 3e-6);
      }
    }
  }
}

TEST_P(TrainingKernels, GradientOfGelu) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x =
        at::cat({at::linspace(-12, 12, 970), at::zeros({30})}).view({8, 125}).to(type);
    const at::Tensor gradient = at::randn({8, 125}).to(type);
    at::Tensor got = at::empty({8, 125}, type);
    kernels_.gelu_gradient(view(x), view(gradient), 125,
                           {.values = got.mutable_data_ptr(), .element = view(got).element}, 0, 8);
    at::Tensor leaf = x.to(at::kDouble).requires_grad_(true);
    (at::gelu(leaf) * gradient).sum().backward();
    const double error = (got - leaf.grad()).abs().max().item<double>();
    EXPECT_LT(error, type == at::kFloat ? 5e-6 : 2e-2);
  }
}

constexpr int64_t kHeads = 2;
constexpr int64_t kFirstRow = 2;

struct AttentionCase {
  int64_t size;
  int64_t length;
  at::ScalarType type;
  bool masked;
  double keep;
};

std::vector<AttentionCase> attention_cases() {
  std::vector<AttentionCase> cases;
  for (const int64_t size : {32, 64}) {
    for (const int64_t length : {1, 2, 5, 6, 7, 11, 16, 17, 35, 70}) {
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        for (const double keep : {1.0, 0.8}) {
          cases.push_back({size, length, type, length % 2 == 1 && length > 1, keep});
        }
      }
    }
  }
  return cases;
}

/// [length, length], of the second head of a sequence that starts at `kFirstRow`.
at::Tensor attention_factors(const Dropout& dropout, int64_t length) {
  at::Tensor factors = at::ones({length, length});
  if (dropout.keep == 1) return factors;
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < length; ++j) {
      const auto words = philox(
          dropout.key, {static_cast<uint32_t>(j), static_cast<uint32_t>(i / 4), 1, kFirstRow});
      factors[i][j] = factor_of(words[i % 4], dropout.keep);
    }
  }
  return factors;
}

TEST_P(TrainingKernels, AttentionForwardAndBackward) {
  for (const auto& [size, length, type, masked, keep] : attention_cases()) {
    SCOPED_TRACE(std::to_string(size) + " " + std::to_string(length) + " " + std::to_string(keep));
    const int64_t rows = length + 3;
    const int64_t hidden = kHeads * size;
    const Dropout dropout{kKey, keep};
    const at::Tensor qkv = at::randn({rows, 3 * hidden}).to(type);
    const at::Tensor dy = at::randn({rows, hidden}).to(type);
    std::vector<float> key_bias(length, 0);
    if (masked) key_bias[length / 2] = -std::numeric_limits<float>::infinity();
    at::Tensor output = at::zeros({rows, hidden}, type);
    std::vector<float> log_sums(length);
    AttentionTask task;
    task.first_row = kFirstRow;
    task.length = length;
    task.query_column = size;
    task.key_column = hidden + size;
    task.value_column = 2 * hidden + size;
    task.head_size = size;
    task.scale = 1.0F / std::sqrt(static_cast<float>(size));
    task.key_bias = masked ? key_bias.data() : nullptr;
    task.output = output[kFirstRow].narrow(0, size, size).mutable_data_ptr();
    task.element = view(output).element;
    task.output_stride = hidden;
    task.head = 1;
    task.dropout = dropout;
    task.log_sums = log_sums.data();
    std::vector<float> scratch(attention_scratch(length, size));
    kernels_.attend(view(qkv), task, scratch.data());
    at::Tensor gradient = at::zeros({rows, 3 * hidden}, type);
    scratch.resize(attention_gradient_scratch(length, size));
    kernels_.attend_gradient(view(qkv),
                             {.forward = task,
                              .output = view(output),
                              .output_gradient = view(dy),
                              .output_column = size,
                              .qkv_gradient = gradient.mutable_data_ptr(),
                              .element = view(gradient).element,
                              .gradient_stride = gradient.stride(0)},
                             scratch.data());

    at::Tensor leaf = qkv.to(at::kDouble).requires_grad_(true);
    const auto part = [&](int64_t column) {
      return leaf.narrow(0, kFirstRow, length).narrow(1, column, size);
    };
    at::Tensor scores = at::matmul(part(task.query_column), part(task.key_column).t()) * task.scale;
    scores = scores + at::tensor(at::ArrayRef<float>(key_bias)).to(at::kDouble);
    const at::Tensor weights =
        at::softmax(scores, -1) * attention_factors(dropout, length).to(at::kDouble);
    const at::Tensor expected = at::matmul(weights, part(task.value_column));
    (expected * dy.narrow(0, kFirstRow, length).narrow(1, size, size)).sum().backward();
    const bool half = type == at::kBFloat16;
    if (expected.abs().sum().item<double>() > 0) {
      EXPECT_LT(
          difference(output.narrow(0, kFirstRow, length).narrow(1, size, size), expected.detach()),
          half ? 5e-3 : 2e-6);
    }
    for (int i = 0; i < 3; ++i) {
      const at::Tensor want = leaf.grad().narrow(1, i * hidden, hidden);
      const at::Tensor got = gradient.narrow(1, i * hidden, hidden);
      // Where all is dropped, or a single token attends, gradients are 0.
      const double bound = (half ? 2e-2 : 3e-6) * want.norm().item<double>() + (half ? 2e-2 : 1e-5);
      EXPECT_LT((got - want).norm().item<double>(), bound) << i;
    }
    for (int64_t i = 0; i < length; ++i) {
      EXPECT_NEAR(log_sums[i], scores[i].logsumexp(0).item<double>(), 1e-5);
    }
  }
}

TEST_P(TrainingKernels, TheLargestWindowsAndWhereTheyAre) {
  // Sequences shorter than the kernel, as long, and longer. Few values, so that sums are exact and
  // many are equal.
  const std::vector<int64_t> offsets = {0, 1, 3, 6, 16};
  constexpr int64_t kKernel = 3, kColumn = 5;
  for (const int64_t filters : {1, 8, 19, 100}) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      const at::Tensor x = at::randint(-2, 3, {16, kColumn + kKernel * filters}).to(type);
      const at::Tensor highest = at::full({4, filters}, 7.0F);
      const at::Tensor winners = at::full({4, filters}, 7, at::kInt);
      const at::Tensor counts = at::full({4, filters}, 7, at::kInt);
      const WindowWinnersTask task = {.first_column = kColumn,
                                      .kernel_size = kKernel,
                                      .filters = filters,
                                      .highest = highest.mutable_data_ptr<float>(),
                                      .winners = winners.mutable_data_ptr<int32_t>(),
                                      .counts = counts.mutable_data_ptr<int32_t>(),
                                      .stride = filters};
      kernels_.window_winners(view(x), offsets.data(), task, 0, 4);
      const at::Tensor values = x.to(at::kFloat);
      const auto* value = values.const_data_ptr<float>();
      for (int64_t b = 0; b < 4; ++b) {
        for (int64_t f = 0; f < filters; ++f) {
          float most = -std::numeric_limits<float>::infinity();
          int32_t first = 0, count = 0;
          const int64_t last = std::max(offsets[b], offsets[b + 1] - kKernel);
          for (int64_t t = offsets[b]; t <= last; ++t) {
            float sum = 0;
            for (int64_t j = 0; j < kKernel && t + j < offsets[b + 1]; ++j) {
              sum += value[(t + j) * x.size(1) + kColumn + j * filters + f];
            }
            if (sum > most) {
              most = sum;
              first = static_cast<int32_t>(t);
              count = 0;
            }
            count += sum == most ? 1 : 0;
          }
          ASSERT_EQ(highest[b][f].item<float>(), most);
          ASSERT_EQ(winners[b][f].item<int32_t>(), first);
          ASSERT_EQ(counts[b][f].item<int32_t>(), count);
        }
      }
    }
  }
}

TEST_P(TrainingKernels, ANaNIsTheLargestWindow) {
  const at::Tensor x = at::zeros({3, 1});
  x[1][0] = std::numeric_limits<float>::quiet_NaN();
  const int64_t offsets[] = {0, 3};
  float highest = 0;
  int32_t winner = 0, count = 0;
  const WindowWinnersTask task = {.kernel_size = 1,
                                  .filters = 1,
                                  .highest = &highest,
                                  .winners = &winner,
                                  .counts = &count,
                                  .stride = 1};
  kernels_.window_winners(view(x), offsets, task, 0, 1);
  EXPECT_TRUE(std::isnan(highest));
  EXPECT_EQ(winner, 1);
}

TEST_P(TrainingKernels, AddsAMultipleOfARow) {
  for (const int64_t size : {1, 7, 16, 390}) {
    const at::Tensor from = at::randn({size});
    const at::Tensor to = at::randn({size + 1});
    const at::Tensor expected = to.to(at::kDouble).clone();
    expected.narrow(0, 0, size).add_(from.to(at::kDouble), -1.5);
    kernels_.add_scaled(from.const_data_ptr<float>(), -1.5F, size, to.mutable_data_ptr<float>());
    EXPECT_LT((to - expected).abs().max().item<double>(), 1e-6);
  }
}

}  // namespace
}  // namespace bertcnn::kernels::cpu
