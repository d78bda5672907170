#include "model/bert_cnn.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "error.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::evaluation;
using bertcnn::testing::kRaggedRows;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::training;

TEST(BertCnn, LogitsOfARowDoNotDependOnItsBatchMates) {
  for (const char* variant : {"frozen", "fine-tune", "max-over-time"}) {
    const BertCnn model = random_model({.variant = variant});
    const at::Tensor together = model.forward(packed(kRaggedRows), evaluation());
    ASSERT_EQ(together.sizes(), (at::IntArrayRef{5, 2}));
    for (size_t row = 0; row < kRaggedRows.size(); ++row) {
      const at::Tensor alone = model.forward(packed({kRaggedRows[row]}), evaluation());
      EXPECT_LT(max_difference(alone[0], together[row]), 1e-5) << variant << ", row " << row;
    }
  }
}

TEST(BertCnn, NamesItsWeightsAsTheTableOfTheDesign) {
  const auto names = [](const char* variant) {
    const BertCnn model = random_model({.variant = variant});
    std::vector<std::string> names;
    for (const auto& p : model.parameters()) {
      if (!p.name.starts_with("bert.")) names.push_back(p.name);
    }
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("fine-tune"), (Names{"conv.weight", "conv.bias", "fc.weight", "fc.bias"}));
  EXPECT_EQ(names("frozen"),
            (Names{"convs.0.weight", "convs.0.bias", "convs.1.weight", "convs.1.bias",
                   "convs.2.weight", "convs.2.bias", "fc.weight", "fc.bias"}));
  EXPECT_EQ(names("max-over-time"), names("frozen"));
}

TEST(BertCnn, TrainsTheEncoderUnlessFrozenAndNeverThePooler) {
  const BertCnn frozen = random_model();
  const BertCnn trained = random_model({.variant = "max-over-time"});
  EXPECT_FALSE(frozen.is_trained("bert.embeddings.word_embeddings.weight"));
  EXPECT_TRUE(frozen.is_trained("fc.bias"));
  EXPECT_TRUE(trained.is_trained("bert.embeddings.word_embeddings.weight"));
  EXPECT_FALSE(trained.is_trained("bert.pooler.dense.weight"));
  EXPECT_TRUE(random_model({.freeze = "none"}).is_trained("bert.embeddings.LayerNorm.bias"));
}

TEST(BertCnn, FrozenEncoderHasNoDropoutAndNoGraph) {
  // Without dropout in the head, nothing random is left where the encoder is frozen.
  const BertCnn frozen = random_model({.dropout = 0});
  const at::Tensor logits = frozen.forward(packed(kRaggedRows), training(1));
  EXPECT_EQ(max_difference(logits, frozen.forward(packed(kRaggedRows), training(2))), 0);
  logits.sum().backward();
  for (const auto& parameter : frozen.parameters()) {
    EXPECT_EQ(parameter.tensor.grad().defined(), !parameter.name.starts_with("bert."))
        << parameter.name;
  }
  const BertCnn trained = random_model({.freeze = "none", .dropout = 0});
  EXPECT_GT(max_difference(trained.forward(packed(kRaggedRows), training(1)),
                           trained.forward(packed(kRaggedRows), training(2))),
            1e-3);
}

TEST(BertCnn, CancelsBetweenLayers) {
  const BertCnn model = random_model();
  int asked = 0;
  kernels::ForwardContext context;
  context.cancelled = [&] { return ++asked == 2; };
  EXPECT_THROW(model.forward(packed(kRaggedRows), context), Error);
  EXPECT_EQ(asked, 2);
}

const at::Tensor& weight_of(const BertCnn& model, const std::string& name) {
  for (const auto& p : model.parameters()) {
    if (p.name == name) return p.tensor;
  }
  throw std::out_of_range(name);
}

TEST(BertCnn, DrawsTheHeadAsPyTorchDoesAndRepeatsItWithTheSeed) {
  const std::string name = "convs.2.weight";  // [100, 12, 5], of fan-in 60
  BertCnn model = random_model();
  at::Generator generator = make_generator(at::kCPU, 1);
  model.initialize({name}, generator);
  const at::Tensor weight = weight_of(model, name).clone();
  const double bound = 1 / std::sqrt(60.0);
  EXPECT_LE(weight.abs().max().item<double>(), bound);
  EXPECT_GT(weight.abs().max().item<double>(), 0.99 * bound);
  // uniform: variance bound^2 / 3
  EXPECT_NEAR(weight.square().mean().item<double>(), bound * bound / 3, 0.03 * bound * bound);

  at::Generator again = make_generator(at::kCPU, 1);
  BertCnn other = random_model({}, bertcnn::testing::kTinyConfig, 99);
  other.initialize({name}, again);
  EXPECT_EQ(max_difference(weight_of(other, name), weight), 0);
}

TEST(BertCnn, DrawsNoOtherWeightsThanItIsAskedFor) {
  BertCnn model = random_model();
  const BertCnn before = random_model();
  at::Generator generator = make_generator(at::kCPU, 1);
  const std::vector<std::string> names = {"fc.bias", "bert.pooler.dense.weight"};
  model.initialize(names, generator);
  for (size_t i = 0; i < model.parameters().size(); ++i) {
    const auto& [name, tensor] = model.parameters()[i];
    const bool drawn = std::find(names.begin(), names.end(), name) != names.end();
    EXPECT_EQ(max_difference(tensor, before.parameters()[i].tensor) > 0, drawn) << name;
  }
}

}  // namespace
}  // namespace bertcnn::model
