#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "error.h"
#include "failure.h"
#include "model/bert_cnn.h"
#include "model/freeze_config.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::copy_weights;
using bertcnn::testing::failure;
using bertcnn::testing::kRaggedRows;
using bertcnn::testing::kTinyLayers;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::training;
using kernels::Arithmetic;
using Patterns = std::vector<std::string>;

const Patterns kNames = {"bert.embeddings.word_embeddings.weight",
                         "bert.embeddings.LayerNorm.bias",
                         "bert.encoder.layer.0.output.dense.weight",
                         "bert.encoder.layer.0.output.dense.bias",
                         "bert.encoder.layer.1.output.dense.weight",
                         "bert.encoder.layer.10.output.dense.weight",
                         "bert.pooler.dense.weight",
                         "fc.weight"};

std::set<std::string> frozen_by(const Freeze& freeze) {
  const std::set<std::string> trained = trained_names(freeze, kNames, 11, FreezeSource::option);
  std::set<std::string> frozen;
  for (const std::string& name : kNames) {
    if (!trained.contains(name)) frozen.insert(name);
  }
  frozen.erase("bert.pooler.dense.weight");  // it always is
  return frozen;
}

TEST(Freeze, NamesTheEmbeddingsAndLayersFromBelow) {
  using Names = std::set<std::string>;
  EXPECT_EQ(frozen_by("none"), Names());
  EXPECT_EQ(frozen_by("embeddings"), Names({kNames[0], kNames[1]}));
  EXPECT_EQ(frozen_by(0), frozen_by("embeddings"));
  EXPECT_EQ(frozen_by(1), Names({kNames[0], kNames[1], kNames[2], kNames[3]}));
  EXPECT_EQ(frozen_by(10).size(), 5U);
  EXPECT_EQ(frozen_by(11), frozen_by("encoder"));
  EXPECT_EQ(frozen_by("encoder").size(), 6U);
}

TEST(Freeze, TakesPatternsOverTheNamesOfTheStateDict) {
  using Names = std::set<std::string>;
  EXPECT_EQ(frozen_by(Patterns{"fc.weight"}), Names({"fc.weight"}));
  EXPECT_EQ(frozen_by(Patterns{"bert.encoder.layer.1.*"}), Names({kNames[4]}));
  EXPECT_EQ(frozen_by(Patterns{"*.bias", "fc.*"}), Names({kNames[1], kNames[3], "fc.weight"}));
  EXPECT_EQ(frozen_by(Patterns{"bert.*.dense.weight"}), Names({kNames[2], kNames[4], kNames[5]}));
  EXPECT_EQ(frozen_by(Patterns{"*layer.*0*bias*"}), Names({kNames[3]}));
  EXPECT_EQ(frozen_by(Patterns{"bert.*"}), frozen_by("encoder"));
  EXPECT_EQ(frozen_by(Patterns{"**fc**"}), Names({"fc.weight"}));
}

TEST(Freeze, RefusesWhatFitsNoNameOrLeavesNothing) {
  const auto refused = [](const Freeze& freeze, const std::string& word) {
    const std::string error = failure([&] { frozen_by(freeze); });
    return error.starts_with("ERR_INVALID_ARGUMENT") && error.find(word) != std::string::npos;
  };
  EXPECT_TRUE(refused(Patterns{"fc.*", "bert.encoder.layer.2.*"}, "'bert.encoder.layer.2.*'"));
  EXPECT_TRUE(refused(Patterns{"fc"}, "'fc'"));
  EXPECT_TRUE(refused(Patterns{"weight*"}, "'weight*'"));
  EXPECT_TRUE(refused(Patterns{""}, "''"));
  EXPECT_TRUE(refused(Patterns{"*"}, "[\"*\"]"));
  EXPECT_TRUE(refused(Patterns{"bert.*", "fc.*"}, "left to train"));
  EXPECT_TRUE(refused(Patterns{}, "at least one pattern"));
  EXPECT_TRUE(refused("all", "'all'"));
  EXPECT_TRUE(refused(12, "12"));
  EXPECT_TRUE(refused(-1, "-1"));
  EXPECT_TRUE(failure([] {
                trained_names(Patterns{"x"}, kNames, 11, FreezeSource::config_file);
              }).starts_with("ERR_INVALID_CONFIG"));
}

TEST(Freeze, CountsTheBlocksThatAreFrozenFromBelow) {
  const auto blocks = [](const Freeze& freeze) {
    return frozen_blocks(trained_names(freeze, kNames, 11, FreezeSource::option), 11);
  };
  EXPECT_EQ(blocks("none"), 0);
  EXPECT_EQ(blocks("embeddings"), 1);
  EXPECT_EQ(blocks(1), 2);
  EXPECT_EQ(blocks("encoder"), 12);
  EXPECT_EQ(blocks(Patterns{"bert.encoder.layer.0.*"}), 0);  // the embeddings are trained
  EXPECT_EQ(blocks(Patterns{"bert.embeddings.*", "bert.encoder.layer.1.*"}), 1);
  EXPECT_EQ(blocks(Patterns{"*embeddings*", "*layer.0.output.dense.weight"}), 1);
}

// ---- what a model does with it

std::vector<Freeze> all_forms() {
  return {"encoder",
          "embeddings",
          "none",
          0,
          1,
          2,
          Patterns{"*.bias"},
          Patterns{"bert.*"},
          Patterns{"bert.embeddings.*", "bert.encoder.layer.1.*"},
          Patterns{"*.query.*", "bert.encoder.layer.0.output.*"},
          Patterns{"convs.*"}};
}

/// A name for messages.
std::string show(const Freeze& freeze) {
  return json::write(to_json(freeze), 0);
}

TEST(FrozenModel, GivesGradientsToWhatIsTrainedAndToNothingElse) {
  for (const Freeze& freeze : all_forms()) {
    const BertCnn model = random_model({.freeze = freeze});
    model.forward(packed(kRaggedRows), training(1)).sum().backward();
    for (const auto& [name, tensor] : model.parameters()) {
      EXPECT_EQ(tensor.grad().defined(), model.is_trained(name)) << name << show(freeze);
    }
  }
}

TEST(FrozenModel, HasTheGradientsOfAModelThatTrainsAll) {
  const BertCnn whole =
      random_model({.freeze = "none", .dropout = 0}, bertcnn::testing::kTinyConfigWithoutDropout);
  whole.forward(packed(kRaggedRows), training(1)).sum().backward();
  for (const Freeze& freeze : all_forms()) {
    BertCnn model =
        random_model({.freeze = freeze, .dropout = 0}, bertcnn::testing::kTinyConfigWithoutDropout);
    for (const bool packs : {false, true}) {
      if (packs) {
        model.pack(Arithmetic::float32);
        model.release_encoder(model.frozen_layers());
      }
      model.forward(packed(kRaggedRows), training(1)).sum().backward();
      for (size_t i = 0; i < model.parameters().size(); ++i) {
        const auto& [name, tensor] = model.parameters()[i];
        if (!model.is_trained(name)) continue;
        const at::Tensor expected = whole.parameters()[i].tensor.grad();
        const double bound = 1e-4 * expected.norm().item<double>() + 1e-5;
        EXPECT_LT((tensor.grad() - expected).norm().item<double>(), bound) << name << show(freeze);
        tensor.mutable_grad().reset();
      }
    }
  }
}

TEST(FrozenModel, HasDropoutOnlyAboveItsFrozenLowerPart) {
  // The lower part's output has no dropout, so the first thing drawn belongs to the part above: the
  // same masks there, whatever number of layers is frozen, leave the generator at different places.
  const auto drawn = [](const Freeze& freeze) {
    const BertCnn model = random_model({.freeze = freeze, .dropout = 0});
    const kernels::ForwardContext context = training(1);
    model.forward(packed(kRaggedRows), context);
    return context.generator.get_state();
  };
  const at::Tensor untouched = training(1).generator.get_state();
  EXPECT_TRUE(drawn("encoder").equal(untouched));
  EXPECT_TRUE(drawn(kTinyLayers).equal(untouched));
  EXPECT_FALSE(drawn(kTinyLayers - 1).equal(untouched));
  EXPECT_FALSE(drawn("embeddings").equal(drawn("none")));
  EXPECT_FALSE(drawn(1).equal(drawn("embeddings")));
  // A frozen layer above one that is trained keeps its dropout.
  EXPECT_TRUE(drawn(Patterns{"bert.encoder.layer.1.*"}).equal(drawn("none")));
}

TEST(FrozenModel, ComputesItsLowerPartWithThePackedWeights) {
  BertCnn model = random_model({.freeze = 1, .dropout = 0});
  const at::Tensor plain = model.forward(packed(kRaggedRows), training(1));
  model.pack(Arithmetic::int8);
  const at::Tensor logits = model.forward(packed(kRaggedRows), training(1));
  EXPECT_GT(max_difference(logits, plain), 0);
  model.release_encoder(model.frozen_layers());
  EXPECT_TRUE(logits.equal(model.forward(packed(kRaggedRows), training(1))));
  // What is trained wants its plain weights.
  model.release_encoder(kTinyLayers);
  EXPECT_THROW(model.forward(packed(kRaggedRows), training(1)), Error);
}

TEST(FrozenModel, BringsBackTheWeightsOfTheLayersThatAreTrainedNext) {
  BertCnn model = random_model();
  const std::vector<at::Tensor> before = copy_weights(model);
  model.pack(Arithmetic::float32);
  model.release_encoder(kTinyLayers);
  for (const int64_t layers : {1, 0}) {
    model.restore_encoder(layers, {});
    EXPECT_EQ(model.released_layers(), layers);
    model.set_freeze(layers);
    EXPECT_NO_THROW(model.forward(packed(kRaggedRows), training(1)));
    for (size_t i = 0; i < before.size(); ++i) {
      const auto& [name, tensor] = model.parameters()[i];
      const bool released = kernels::is_released(tensor);
      EXPECT_EQ(released, encoder_layer(name).value_or(kTinyLayers) < layers && tensor.dim() == 2)
          << name;
      if (!released) EXPECT_TRUE(tensor.equal(before[i])) << name;
    }
  }
}

TEST(FrozenModel, KeepsItsFreezeWhereAnotherIsRefused) {
  BertCnn model = random_model({.freeze = 1});
  EXPECT_THROW(model.set_freeze(Patterns{"nothing"}), Error);
  EXPECT_EQ(model.config().freeze, Freeze(int64_t{1}));
  EXPECT_EQ(model.frozen_layers(), 1);
  EXPECT_TRUE(model.is_trained("fc.bias"));
  EXPECT_THROW(random_model({.freeze = Patterns{"nothing"}}), Error);
}

}  // namespace
}  // namespace bertcnn::model
