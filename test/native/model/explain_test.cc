#include "model/explain.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "error.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::evaluation;
using bertcnn::testing::kRaggedRows;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;

ConfigOverrides three_labels(HeadOverrides head = {}) {
  return {.num_labels = 3, .filter_sizes = {{1, 2, 4}}, .num_filters = 5, .head = std::move(head)};
}

double sum_of(const Explanation& explanation) {
  double sum = explanation.bias;
  for (const Ngram& ngram : explanation.ngrams) sum += ngram.contribution;
  return sum;
}

class ExplainTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ExplainTest, AddsUpToTheLogit) {
  const BertCnn model = random_model(three_labels({.activation = GetParam()}));
  const auto batch = packed(kRaggedRows);
  const at::Tensor logits = model.forward(batch, evaluation());
  for (int64_t label = 0; label < 3; ++label) {
    const auto explanations = explain(model, batch, {.label = label}, evaluation());
    ASSERT_EQ(explanations.size(), kRaggedRows.size());
    for (int64_t b = 0; b < batch.sequences(); ++b) {
      EXPECT_NEAR(explanations[b].logit, logits[b][label].item<double>(), 1e-5);
      EXPECT_NEAR(sum_of(explanations[b]), explanations[b].logit, 1e-9);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, ExplainTest, ::testing::Values("relu", "gelu", "tanh", "glu"),
                         [](const auto& name) { return std::string(name.param); });

TEST(Explain, IsGradientTimesHiddenStateByToken) {
  const BertCnn model = random_model(three_labels());
  const auto batch = packed(kRaggedRows);
  const at::Tensor hidden =
      model.encode(batch, evaluation()).values.detach().clone().set_requires_grad(true);
  const at::Tensor logits = model.classify(hidden, batch, evaluation());
  const auto explanations = explain(model, batch, {.label = 1}, evaluation());
  logits.select(1, 1).sum().backward();
  const at::Tensor expected = (hidden.grad() * hidden).sum(1).detach();
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    const std::vector<double>& tokens = explanations[b].tokens;
    ASSERT_EQ(static_cast<int64_t>(tokens.size()), batch.length(b));
    for (int64_t t = 0; t < batch.length(b); ++t) {
      EXPECT_NEAR(tokens[t], expected[batch.offsets[b] + t].item<double>(), 1e-5) << b << " " << t;
    }
    const double sum = std::accumulate(tokens.begin(), tokens.end(), explanations[b].token_bias);
    EXPECT_NEAR(sum, explanations[b].logit, 1e-9);
  }
}

TEST(Explain, SaysWhatTheLogitWouldBeWithoutAnNgram) {
  // Windows of one token: without one of them, the logit is that of the others.
  const BertCnn model = random_model(
      {.num_labels = 2, .filter_sizes = {{1}}, .num_filters = 7, .head = {.activation = "tanh"}});
  const auto batch = packed({{2, 9, 3, 12, 7}});
  const at::Tensor hidden = model.encode(batch, evaluation()).values;
  const auto explanation = explain(model, batch, {.label = 0}, evaluation())[0];
  ASSERT_GT(explanation.ngrams.size(), 1U);
  for (const Ngram& ngram : explanation.ngrams) {
    std::vector<at::Tensor> rest;
    for (int64_t t = 0; t < batch.tokens(); ++t) {
      if (t != ngram.start) rest.push_back(hidden[t]);
    }
    const auto shorter = packed({{2, 9, 3, 12}});
    const at::Tensor logits = model.classify(at::stack(rest), shorter, evaluation());
    EXPECT_NEAR(ngram.without, logits[0][0].item<double>(), 1e-5) << ngram.start;
  }
}

TEST(Explain, ComparesTwoLabelsAndChoosesTheBest) {
  const BertCnn model = random_model(three_labels());
  const auto batch = packed(kRaggedRows);
  const at::Tensor logits = model.forward(batch, evaluation());
  const auto difference = explain(model, batch, {.label = 2, .against = 0}, evaluation());
  const auto best = explain(model, batch, {}, evaluation());
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    EXPECT_NEAR(difference[b].logit, (logits[b][2] - logits[b][0]).item<double>(), 1e-5);
    EXPECT_NEAR(sum_of(difference[b]), difference[b].logit, 1e-9);
    EXPECT_EQ(best[b].label, logits[b].argmax().item<int64_t>());
  }
}

TEST(Explain, RefusesWhatDoesNotAddUp) {
  const auto code_of = [](const BertCnn& model, const ExplanationTarget& target) -> std::string {
    try {
      explain(model, packed(kRaggedRows), target, evaluation());
    } catch (const Error& error) {
      return error.code();
    }
    return "";
  };
  EXPECT_EQ(code_of(random_model({.head = {.pooling = "mean"}}), {}), "ERR_UNSUPPORTED_CONFIG");
  EXPECT_EQ(code_of(random_model({.head = {.layer_norm = true}}), {}), "ERR_UNSUPPORTED_CONFIG");
  EXPECT_EQ(code_of(random_model(), {.label = 2}), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(code_of(random_model(), {.against = -1}), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(code_of(random_model(), {}), "");
}

}  // namespace
}  // namespace bertcnn::model
