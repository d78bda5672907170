#include "training/parameter_groups.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "random_model.h"

namespace bertcnn::training {
namespace {

using bertcnn::testing::random_model;

std::vector<ParameterGroup> groups_of(const model::BertCnn& model, const TrainingOptions& options) {
  return parameter_groups(model.trained_parameters(), model.config().bert.num_hidden_layers,
                          options);
}

TEST(ParameterGroups, SkipWeightDecayForBiasesAndLayerNorms) {
  const TrainingOptions options{.learning_rate = 1, .head_learning_rate = 2, .weight_decay = 3};
  const auto groups = groups_of(random_model({.variant = "fine-tune"}), options);
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[0].name, "encoder");
  EXPECT_EQ(groups[0].learning_rate, 1);
  EXPECT_EQ(groups[0].weight_decay, 3);
  EXPECT_EQ(groups[0].parameters.size(), 3U + 2U * 6U);  // embeddings, six matrices a layer
  EXPECT_EQ(groups[1].name, "encoder, no decay");
  EXPECT_EQ(groups[1].weight_decay, 0);
  EXPECT_EQ(groups[1].parameters.size(), 2U + 2U * 10U);
  EXPECT_EQ(groups[2].learning_rate, 2);
  EXPECT_EQ(groups[2].weight_decay, 3);
  EXPECT_EQ(groups[2].parameters.size(), 2U);
  EXPECT_EQ(groups[3].weight_decay, 0);
  EXPECT_EQ(groups[3].parameters.size(), 2U);
  EXPECT_EQ(groups_of(random_model(), options).size(), 2U);  // a frozen encoder has none
}

TEST(ParameterGroups, DecayTheLearningRateFromTheTopLayerDown) {
  const TrainingOptions options{
      .learning_rate = 8, .head_learning_rate = 100, .layer_decay = 0.5, .weight_decay = 3};
  const auto groups = groups_of(random_model({.variant = "fine-tune"}), options);
  const std::vector<std::pair<std::string, double>> expected = {
      {"embeddings", 2}, {"embeddings, no decay", 2}, {"layer 0", 4}, {"layer 0, no decay", 4},
      {"layer 1", 8},    {"layer 1, no decay", 8},    {"head", 100},  {"head, no decay", 100}};
  ASSERT_EQ(groups.size(), expected.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].name, expected[i].first);
    EXPECT_EQ(groups[i].learning_rate, expected[i].second);
    EXPECT_EQ(groups[i].weight_decay, i % 2 == 0 ? 3 : 0);
  }
  EXPECT_EQ(groups[0].parameters.size(), 3U);
  EXPECT_EQ(groups[4].parameters.size(), 6U);
  for (const auto& parameter : groups[4].parameters) {
    EXPECT_TRUE(parameter.name.starts_with("bert.encoder.layer.1.")) << parameter.name;
  }
}

TEST(ParameterGroups, HoldEveryTrainedWeightOnce) {
  const model::BertCnn model = random_model({.variant = "max-over-time"});
  for (const double layer_decay : {1.0, 0.9}) {
    std::multiset<std::string> grouped;
    for (const auto& group : groups_of(model, {.layer_decay = layer_decay})) {
      for (const auto& parameter : group.parameters) grouped.insert(parameter.name);
    }
    std::multiset<std::string> trained;
    for (const auto& parameter : model.parameters()) {
      if (model.is_trained(parameter.name)) trained.insert(parameter.name);
    }
    EXPECT_EQ(grouped, trained);
  }
}

}  // namespace
}  // namespace bertcnn::training
