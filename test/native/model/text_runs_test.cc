#include "model/text_runs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "kernels/windows.h"
#include "model/windows.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::max_difference;
using kernels::ConvolutionActivation;
using kernels::ConvolutionBank;
using kernels::PackedBatch;

constexpr int64_t kHidden = 4;
constexpr int64_t kVocabulary = 9;
constexpr int64_t kWindow = 12;
constexpr int64_t kOverlap = 4;
// Far more than is kept of a window: what is carried spans several runs.
const std::vector<int64_t> kSizes = {1, 3, 30};
const std::vector<int64_t> kLengths = {5, 200, 12, 29, 30, 31, 32, 77, 1, 400};

PackedBatch texts_of(const std::vector<int64_t>& lengths) {
  kernels::PackedBatchBuilder builder;
  for (const int64_t length : lengths) {
    std::vector<int32_t> ids(static_cast<size_t>(length));
    for (size_t i = 0; i < ids.size(); ++i) {
      ids[i] = static_cast<int32_t>((i * i + i / 7 + ids.size()) % kVocabulary);
    }
    std::vector<int32_t> positions(ids.size());
    std::iota(positions.begin(), positions.end(), 0);
    if (length <= kWindow) {
      builder.add(ids, std::vector<int32_t>(ids.size(), 0), positions);
    } else {
      builder.add_windows(ids, std::vector<int32_t>(ids.size(), 0),
                          kernels::cut_windows(length - 2, kWindow - 2, kOverlap));
    }
  }
  return builder.build(at::kCPU);
}

TEST(CutRuns, HasEverySequenceOnceAndEveryTextsParts) {
  const PackedBatch batch = texts_of(kLengths);
  for (const int64_t most_tokens : {1, 30, 100, 100000}) {
    const std::vector<TextRun> runs = cut_runs(batch, most_tokens);
    int64_t sequences = 0;
    std::vector<int64_t> lengths(kLengths.size(), 0);
    for (size_t i = 0; i < runs.size(); ++i) {
      const TextRun& run = runs[i];
      EXPECT_TRUE(run.windows.sequences() == 1 || run.windows.tokens() <= most_tokens);
      sequences += run.windows.sequences();
      for (int64_t part = 0; part < run.parts(); ++part) {
        lengths.at(run.first_text + part) += run.offsets[part + 1] - run.offsets[part];
      }
      EXPECT_EQ(run.open, i + 1 < runs.size() && runs[i + 1].continues);
      EXPECT_EQ(keep_windows(run.windows.input_ids, run.windows).size(0), run.offsets.back());
    }
    EXPECT_EQ(sequences, batch.sequences());
    EXPECT_EQ(lengths, kLengths);
    EXPECT_EQ(runs.size() == 1, most_tokens == 100000);
    EXPECT_FALSE(runs.front().continues);
    EXPECT_FALSE(runs.back().open);
  }
}

struct Case {
  const char* name;
  ConvolutionActivation activation;
  at::ScalarType type;
};

/// An encoder that is a table, so that all there is to compute is what lies behind it. Its numbers
/// and the convolutions' are small integers: many sums are equal, and all are exact.
class TextRunsTest : public ::testing::TestWithParam<Case> {
 protected:
  TextRunsTest()
      : table_(at::randint(-1, 2, {kVocabulary, kHidden}, generator_, GetParam().type)),
        bank_(kHidden, {kSizes, 6, GetParam().activation, {}}, GetParam().type) {
    bank_.parameters(true, weights_);
    for (const kernels::Parameter& weight : weights_) {
      weight.tensor.copy_(at::randint(-1, 2, weight.tensor.sizes(), generator_, GetParam().type));
    }
    weights_.push_back({"table", table_});
    for (const kernels::Parameter& weight : weights_) weight.tensor.requires_grad_(true);
  }

  TextPasses passes(const PackedBatch& batch, int64_t most_tokens) {
    return {.runs = cut_runs(batch, most_tokens),
            .texts = batch.texts(),
            .overlap = kSizes.back() - 1,
            .encode = [this](const PackedBatch& windows, const at::Generator& /*generator*/) {
              encoded_ += windows.sequences();
              return keep_windows(table_.index_select(0, windows.input_ids), windows);
            }};
  }
  at::Tensor direct(const PackedBatch& batch) {
    const at::Tensor states =
        keep_windows(table_.index_select(0, batch.input_ids), batch).contiguous();
    return bank_.forward({states, {states}}, batch.joined(), kernels::ForwardContext());
  }
  at::Tensor trained(const PackedBatch& batch, int64_t most_tokens) {
    return train_texts(passes(batch, most_tokens), generator_, [this](const Joined& part) {
      return bank_.part_maxima({part.rows, {part.rows}}, part.pooled, part.seen,
                               kernels::ForwardContext());
    });
  }

  std::vector<at::Tensor> gradients() {
    std::vector<at::Tensor> all;
    for (const kernels::Parameter& weight : weights_) {
      at::Tensor& gradient = weight.tensor.mutable_grad();
      EXPECT_TRUE(gradient.defined()) << weight.name;
      all.push_back(std::exchange(gradient, at::Tensor()));
    }
    return all;
  }

  at::Generator generator_ = make_generator(at::kCPU, 3);
  at::Tensor table_;
  ConvolutionBank bank_;
  kernels::ParameterList weights_;
  int64_t encoded_ = 0;  // sequences
};

TEST_P(TextRunsTest, HasTheFeaturesAndGradientsOfWholeTexts) {
  const PackedBatch batch = texts_of(kLengths);
  const at::Tensor whole = direct(batch);
  const at::Tensor gradient = at::randn(whole.sizes(), generator_, whole.options());
  whole.backward(gradient);
  const std::vector<at::Tensor> expected = gradients();
  for (const int64_t most_tokens : {1, 30, 100, 100000}) {
    const at::Tensor features = trained(batch, most_tokens);
    EXPECT_EQ(max_difference(features, whole), 0) << most_tokens;
    features.backward(gradient);
    const std::vector<at::Tensor> found = gradients();
    for (size_t i = 0; i < found.size(); ++i) {
      // Hundreds of equal maxima's shares add up in another order, and products are in float32.
      const double bound = 1e-5 * expected[i].abs().max().item<double>();
      EXPECT_GT(bound, 0) << weights_[i].name;
      EXPECT_LE(max_difference(found[i], expected[i]), bound) << weights_[i].name;
    }
  }
}

TEST_P(TextRunsTest, StreamsWholeTexts) {
  const PackedBatch batch = texts_of(kLengths);
  const at::Tensor whole = direct(batch);
  for (const int64_t most_tokens : {1, 30, 100, 100000}) {
    const at::Tensor features =
        stream_texts(passes(batch, most_tokens), [this](const Joined& part) {
          return bank_.forward({part.rows, {part.rows}}, part.pooled, kernels::ForwardContext());
        });
    EXPECT_EQ(max_difference(features, whole), 0) << most_tokens;
  }
}

TEST_P(TextRunsTest, EncodesAgainWhereAGradientComesToAndOneRunAtLeast) {
  const PackedBatch batch = texts_of({400});
  const at::Tensor features = trained(batch, 1);
  EXPECT_EQ(encoded_, batch.sequences());
  encoded_ = 0;
  features.backward(at::zeros_like(features));
  EXPECT_EQ(encoded_, 1);
  for (const at::Tensor& gradient : gradients()) EXPECT_FALSE(gradient.any().item<bool>());
}

INSTANTIATE_TEST_SUITE_P(, TextRunsTest,
                         ::testing::Values(Case{"relu", ConvolutionActivation::relu, at::kFloat},
                                           Case{"relu_double", ConvolutionActivation::relu,
                                                at::kDouble},
                                           Case{"gelu", ConvolutionActivation::gelu, at::kFloat},
                                           Case{"glu", ConvolutionActivation::glu, at::kDouble}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace bertcnn::model
