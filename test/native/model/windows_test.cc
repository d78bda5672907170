#include "model/windows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "failure.h"
#include "kernels/windows.h"
#include "model/explain.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::evaluation;
using bertcnn::testing::failure_code;
using bertcnn::testing::kTinyConfigWithoutDropout;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::Rows;
using bertcnn::testing::training;
using kernels::PackedBatch;

constexpr int64_t kWindow = 16;  // tokens of one, two of them special
constexpr int64_t kOverlap = 5;
constexpr int64_t kLong = 3000;  // tokens of a text that does not pass the encoder at once

std::vector<int32_t> text_of(int64_t tokens, uint32_t seed = 5) {
  std::mt19937 random(seed);  // its numbers are the same everywhere
  std::vector<int32_t> text(static_cast<size_t>(tokens));
  for (int32_t& id : text) id = static_cast<int32_t>(random() % 38 + 2);
  return text;
}

PackedBatch windowed(const Rows& texts) {
  kernels::PackedBatchBuilder builder;
  for (const auto& text : texts) {
    const std::vector<int32_t> types(text.size(), 0);
    const auto length = static_cast<int64_t>(text.size());
    if (length <= kWindow) {
      std::vector<int32_t> positions(text.size());
      std::iota(positions.begin(), positions.end(), 0);
      builder.add(text, types, positions);
    } else {
      builder.add_windows(text, types, kernels::cut_windows(length - 2, kWindow - 2, kOverlap));
    }
  }
  return builder.build(at::kCPU);
}

const Rows kTexts = {text_of(7),  text_of(kLong), text_of(16),
                     text_of(17), text_of(40, 9), text_of(700, 3)};

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return max_difference(a, b) / b.abs().max().item<double>();
}

TEST(TextWindows, JoinToTheirTexts) {
  const PackedBatch batch = windowed(kTexts);
  EXPECT_EQ(batch.texts(), 6);
  EXPECT_GT(batch.sequences(), 300);
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 6; ++i) lengths.push_back(batch.joined().length(i));
  EXPECT_EQ(lengths, (std::vector<int64_t>{7, kLong, 16, 17, 40, 700}));
  // What is kept of the tokens themselves are the texts.
  const at::Tensor kept = keep_windows(batch.input_ids, batch);
  size_t at = 0;
  for (const auto& text : kTexts) {
    for (const int32_t id : text) {
      EXPECT_EQ(kept[static_cast<int64_t>(at++)].item<int64_t>(), id);
    }
  }
}

TEST(TextWindows, RunsHaveAtMostSoManyTokensButOneSequence) {
  const PackedBatch batch = packed({text_of(5), text_of(5), text_of(5), text_of(12)});
  EXPECT_EQ(end_of_run(batch, 0, 4, 10), 2);
  EXPECT_EQ(end_of_run(batch, 0, 4, 14), 2);
  EXPECT_EQ(end_of_run(batch, 0, 4, 15), 3);
  EXPECT_EQ(end_of_run(batch, 0, 1, 15), 1);
  EXPECT_EQ(end_of_run(batch, 3, 4, 10), 4);
}

struct Head {
  const char* name;
  HeadOverrides options;
};

class WindowedTest : public ::testing::TestWithParam<Head> {
 protected:
  BertCnn model_ = random_model(
      {.num_labels = 3, .filter_sizes = {{1, 2, 4}}, .num_filters = 5, .head = GetParam().options});
};

// With maxima the first long text is streamed; else its hidden states stay.
TEST_P(WindowedTest, PredictsWhatTheHeadMakesOfTheWholeText) {
  for (const auto arithmetic : {kernels::Arithmetic::autograd, kernels::Arithmetic::float32}) {
    if (arithmetic != kernels::Arithmetic::autograd) model_.pack(arithmetic);
    const PackedBatch batch = windowed(kTexts);
    const at::Tensor streamed = model_.forward(batch, evaluation());
    const at::Tensor states = model_.encode_texts(batch, evaluation());
    const at::Tensor whole = model_.classify(states, batch.joined(), evaluation());
    EXPECT_EQ(streamed.sizes(), (std::vector<int64_t>{6, 3}));
    EXPECT_LE(relative_difference(streamed, whole), 1e-6);
    // Each for itself, too.
    for (size_t i = 0; i < kTexts.size(); ++i) {
      const at::Tensor alone = model_.forward(windowed({kTexts[i]}), evaluation());
      EXPECT_LE(relative_difference(alone[0], streamed[static_cast<int64_t>(i)]), 1e-5);
    }
  }
}

/// The same without computing anything twice: autograd keeps all of it.
at::Tensor direct_loss(const BertCnn& model, const PackedBatch& batch,
                       const kernels::ForwardContext& context) {
  std::vector<at::Tensor> states;
  for (int64_t first = 0; first < batch.sequences();) {
    const int64_t end = end_of_run(batch, first, batch.sequences(), 512);
    const PackedBatch run = batch.slice(first, end);
    states.push_back(keep_windows(model.encode(run, context).values, run));
    first = end;
  }
  return model.classify(at::cat(states), batch.joined(), context).square().sum();
}

TEST_P(WindowedTest, HasTheGradientsOfOnePassWithTheSameDropout) {
  for (const Freeze& freeze : {Freeze("none"), Freeze(int64_t{1}), Freeze("encoder")}) {
    model_.set_freeze(freeze);
    const PackedBatch batch = windowed(kTexts);
    const auto gradients_of = [&](const auto& loss_of) {
      const at::Tensor loss = loss_of();
      loss.backward();
      std::vector<at::Tensor> gradients = {loss.detach()};
      for (const auto& parameter : model_.parameters()) {
        at::Tensor& gradient = parameter.tensor.mutable_grad();
        EXPECT_EQ(gradient.defined(), model_.is_trained(parameter.name)) << parameter.name;
        gradients.push_back(gradient.defined() ? gradient.clone() : at::Tensor());
        gradient.reset();
      }
      return gradients;
    };
    const auto direct = gradients_of([&] { return direct_loss(model_, batch, training(4)); });
    const auto twice =
        gradients_of([&] { return model_.forward(batch, training(4)).square().sum(); });
    const auto other =
        gradients_of([&] { return model_.forward(batch, training(5)).square().sum(); });
    kernels::ForwardContext checkpointing = training(4);
    checkpointing.checkpointing = true;  // layers as well
    const auto thrice =
        gradients_of([&] { return model_.forward(batch, checkpointing).square().sum(); });
    double dropout = 0;
    for (size_t i = 0; i < direct.size(); ++i) {
      if (!direct[i].defined()) continue;
      const double bound = 1e-6 * std::max(1.0, direct[i].abs().max().item<double>());
      EXPECT_LE(max_difference(twice[i], direct[i]), bound) << i;
      EXPECT_LE(max_difference(thrice[i], direct[i]), bound) << i;
      dropout = std::max(dropout, max_difference(other[i], direct[i]));
    }
    EXPECT_GT(dropout, 0) << "dropout must be at work";
  }
}

INSTANTIATE_TEST_SUITE_P(
    , WindowedTest,
    ::testing::Values(Head{"relu", {}}, Head{"gelu", {.activation = "gelu", .layer_norm = true}},
                      Head{"glu_mean", {.activation = "glu", .pooling = "mean"}},
                      Head{"attention", {.pooling = "attention"}},
                      Head{"tanh_mix",
                           {.activation = "tanh", .hidden_layers = 2, .layer_combination = "mix"}},
                      Head{"k_max", {.pooling = "k-max", .pooling_size = 3}}),
    [](const auto& head) { return std::string(head.param.name); });

/// How often a training pass is asked whether it is cancelled in its forward and backward pass.
std::pair<int, int> questions(const BertCnn& model, const PackedBatch& batch) {
  int asked = 0;
  kernels::ForwardContext context = training(1);
  context.cancelled = [&asked] {
    ++asked;
    return false;
  };
  const at::Tensor loss = model.forward(batch, context).square().sum();
  const int forward = asked;
  loss.backward();
  return {forward, asked - forward};
}

TEST(Windowed, ComputesAnewOnlyWhatAGradientComesTo) {
  // One filter: its maximum is in one window, or across two, and the first run is always computed.
  const BertCnn one = random_model({.variant = "max-over-time",
                                    .num_labels = 2,
                                    .filter_sizes = {{2}},
                                    .num_filters = 1,
                                    .dropout = 0.0},
                                   kTinyConfigWithoutDropout);
  const BertCnn many = random_model({.variant = "max-over-time",
                                     .num_labels = 2,
                                     .filter_sizes = {{2}},
                                     .num_filters = 400,
                                     .dropout = 0.0},
                                    kTinyConfigWithoutDropout);
  const PackedBatch batch = windowed({text_of(kLong)});
  const auto [forward, few] = questions(one, batch);
  const auto [same, most] = questions(many, batch);
  EXPECT_EQ(forward, same);
  EXPECT_LE(few, 3 * bertcnn::testing::kTinyLayers);
  EXPECT_GT(most, 2 * few);
}

TEST(Windowed, StopsWhenCancelled) {
  const BertCnn model = random_model({.variant = "max-over-time"});
  const PackedBatch batch = windowed({text_of(kLong)});
  for (const bool trains : {false, true}) {
    int asked = 0;
    kernels::ForwardContext context = trains ? training(1) : evaluation();
    context.cancelled = [&asked] { return ++asked == 7; };
    EXPECT_EQ(failure_code([&] { model.forward(batch, context); }), "ERR_CANCELLED");
    EXPECT_EQ(asked, 7);
  }
}

TEST(Windowed, IsExplainedExactly) {
  const BertCnn model =
      random_model({.num_labels = 3, .filter_sizes = {{1, 2, 4}}, .num_filters = 5});
  const PackedBatch batch = windowed(kTexts);
  const at::Tensor logits = model.forward(batch, evaluation());
  const auto explanations = explain(model, batch, {.label = 1}, evaluation());
  ASSERT_EQ(explanations.size(), kTexts.size());
  for (size_t i = 0; i < kTexts.size(); ++i) {
    const Explanation& explanation = explanations[i];
    EXPECT_EQ(explanation.tokens.size(), kTexts[i].size());
    EXPECT_NEAR(explanation.logit, logits[static_cast<int64_t>(i)][1].item<double>(), 1e-5);
    double sum = explanation.bias;
    for (const Ngram& ngram : explanation.ngrams) sum += ngram.contribution;
    EXPECT_NEAR(sum, explanation.logit, 1e-9);
  }
}

}  // namespace
}  // namespace bertcnn::model
