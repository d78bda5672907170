// The kernels' arithmetic, by their own source on the CPU, beside libtorch's operations.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "cuda/kernels/fake_card.h"
#include "kernels/activation.h"
#include "random_model.h"

namespace bertcnn::cuda {
namespace {

using bertcnn::testing::max_difference;

/// Type, and the rounding of values about 1 that it is stored with.
struct Precision {
  at::ScalarType type;
  double rounding;
};

class CardKernels : public ::testing::TestWithParam<Precision> {
 protected:
  at::Tensor random(at::IntArrayRef sizes) { return at::randn(sizes, generator_, at::kFloat); }
  Norm random_norm(int64_t size) { return {random({size}), random({size}), 1e-12}; }
  at::Tensor cast(const at::Tensor& x) const { return x.to(GetParam().type); }
  /// What is stored differs from `expected` by its rounding.
  void expect_rounded(const at::Tensor& actual, const at::Tensor& expected) const {
    EXPECT_EQ(actual.scalar_type(), GetParam().type);
    const double scale = std::max(1.0, expected.abs().max().item<double>());
    EXPECT_LT(max_difference(actual.to(at::kFloat), expected), GetParam().rounding * scale);
  }

  at::Generator generator_ = model::make_generator(at::kCPU, 5);
};

/// Sizes of packs of eight and not, fewer packs than members and more.
const std::vector<int64_t> kRowSizes = {3, 8, 12, 64, 200};
constexpr int kTeams[] = {1, 4};

TEST_P(CardKernels, NormalizesTheSumOfEmbeddings) {
  for (const int64_t size : kRowSizes) {
    const Embeddings embeddings = {random({9, size}),
                                   random({7, size}),
                                   random({2, size}),
                                   at::tensor({8, 0, 3, 3}, at::kLong),
                                   at::tensor({0, 1, 2, 6}, at::kLong),
                                   at::tensor({0, 0, 1, 1}, at::kLong)};
    const Norm norm = random_norm(size);
    const at::Tensor sum = embeddings.words.index_select(0, embeddings.word_ids) +
                           embeddings.positions.index_select(0, embeddings.position_ids) +
                           embeddings.types.index_select(0, embeddings.type_ids);
    const at::Tensor expected = at::layer_norm(sum, {size}, norm.weight, norm.bias, norm.epsilon);
    for (const int team : kTeams) {
      expect_rounded(FakeCard(team).embed(embeddings, norm, GetParam().type), expected);
    }
  }
}

TEST_P(CardKernels, NormalizesTheSumOfProductAndResidual) {
  for (const int64_t size : kRowSizes) {
    const at::Tensor product = cast(random({5, size}));
    const at::Tensor residual = cast(random({5, size}) + 3);
    const Norm norm = random_norm(size);
    const at::Tensor sum = product.to(at::kFloat) + residual.to(at::kFloat);
    const at::Tensor expected = at::layer_norm(sum, {size}, norm.weight, norm.bias, norm.epsilon);
    for (const int team : kTeams) {
      expect_rounded(FakeCard(team).add_and_normalize(product, residual, norm), expected);
    }
  }
}

TEST_P(CardKernels, ActivatesTheSumOfProductAndBias) {
  using kernels::Activation;
  for (const Activation activation :
       {Activation::gelu, Activation::gelu_tanh, Activation::gelu_clipped, Activation::quick_gelu,
        Activation::relu, Activation::silu, Activation::tanh}) {
    for (const int64_t columns : {5, 24}) {
      const at::Tensor bias = random({columns});
      const at::Tensor values = cast(random({6, columns}) * 4);
      const at::Tensor expected = kernels::activate(values.to(at::kFloat) + bias, activation);
      FakeCard().activate(values, bias, activation);
      expect_rounded(values, expected);
    }
  }
}

/// [T, columns] of one sequence -> [features], by a loop over windows.
at::Tensor largest_by_hand(const at::Tensor& product, const Bank& bank) {
  const auto sizes = static_cast<int64_t>(bank.kernel_sizes.size());
  const int64_t filters = bank.bias.numel() / sizes;
  std::vector<at::Tensor> features;
  int64_t column = 0;
  for (int64_t i = 0; i < sizes; ++i) {
    const int64_t kernel = bank.kernel_sizes[i];
    const int64_t rows = std::max(product.size(0), kernel);
    const at::Tensor padded = at::zeros({rows, product.size(1)});
    padded.narrow(0, 0, product.size(0)).copy_(product);
    at::Tensor largest;
    for (int64_t window = 0; window + kernel <= rows; ++window) {
      at::Tensor sum = at::zeros({filters});
      for (int64_t place = 0; place < kernel; ++place) {
        sum += padded[window + place].narrow(0, column + place * filters, filters);
      }
      largest = largest.defined() ? at::maximum(largest, sum) : sum;
    }
    features.push_back(at::relu(largest + bank.bias.narrow(0, i * filters, filters)));
    column += kernel * filters;
  }
  return at::cat(features);
}

TEST_P(CardKernels, FindTheLargestWindowOfEachSequence) {
  const Bank bank = {{3, 1, 5}, random({3 * 4})};
  const at::Tensor product = cast(random({20, (3 + 1 + 5) * 4}));
  // Long, of one token, of none, and as long as a kernel; three rows belong to none.
  const Sequences sequences = {at::tensor({0, 9, 10, 10, 15, 17}, at::kInt), 9};
  for (const int slices : {1, 8}) {
    const at::Tensor features = FakeCard(slices).largest_windows(product, sequences, bank);
    ASSERT_EQ(features.sizes(), (at::IntArrayRef{5, 12}));
    const auto* offsets = sequences.offsets.const_data_ptr<int32_t>();
    for (int64_t b = 0; b < 5; ++b) {
      const at::Tensor own = product.narrow(0, offsets[b], offsets[b + 1] - offsets[b]);
      EXPECT_LT(max_difference(features[b], largest_by_hand(own.to(at::kFloat), bank)), 1e-5)
          << "sequence " << b << ", slices " << slices;
    }
  }
}

TEST_P(CardKernels, TellOfANumberThatIsNone) {
  const Bank bank = {{2}, random({4})};
  const at::Tensor product = cast(random({12, 2 * 4}));
  product[3][1] = NAN;  // of the second filter's first place
  const Sequences sequences = {at::tensor({0, 8, 12}, at::kInt), 8};
  for (const int slices : {1, 8}) {
    const at::Tensor features = FakeCard(slices).largest_windows(product, sequences, bank);
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t i = 0; i < 4; ++i) {
        EXPECT_EQ(std::isnan(features[b][i].item<float>()), b == 0 && i == 1) << b << " " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, CardKernels,
                         ::testing::Values(Precision{at::kFloat, 2e-6}, Precision{at::kHalf, 1e-3},
                                           Precision{at::kBFloat16, 8e-3}),
                         [](const auto& test) {
                           return std::string(at::toString(test.param.type));
                         });

}  // namespace
}  // namespace bertcnn::cuda
