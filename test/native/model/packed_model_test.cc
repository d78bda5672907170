// A model that predicts with packed weights, beside the same one on libtorch's plain operations.
#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "error.h"
#include "model/bert_cnn.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::copy_weights;
using bertcnn::testing::evaluation;
using bertcnn::testing::kRaggedRows;
using bertcnn::testing::kTinyConfig;
using bertcnn::testing::kTinyLayers;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::Rows;
using bertcnn::testing::training;
using kernels::Arithmetic;

/// Two heads of 32, for which attention has a kernel of its own; kTinyConfig has heads of 4.
constexpr const char* kWideConfig = R"({
  "model_type": "bert", "vocab_size": 40, "hidden_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 2, "intermediate_size": 96, "max_position_embeddings": 64,
  "hidden_act": "gelu_new"})";  // of kTinyLayers layers too

bool is_releasable(const kernels::Parameter& parameter) {
  return encoder_layer(parameter.name) && parameter.tensor.dim() == 2;
}

void must_not_reload(const kernels::ParameterList& /*lost*/) {
  FAIL() << "float32 can be unpacked";
}

double correlation(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor both = at::stack({a.flatten(), b.flatten()});
  return at::corrcoef(both)[0][1].item<double>();
}

std::vector<Arithmetic> low_precisions() {
  std::vector<Arithmetic> all = {Arithmetic::int8};
  if (kernels::unsupported_reason(Arithmetic::bfloat16).empty())
    all.push_back(Arithmetic::bfloat16);
  return all;
}

TEST(PackedModel, HasThePlainModelsLogitsInFloat32) {
  for (const char* config : {kTinyConfig, kWideConfig}) {
    for (const char* variant : {"frozen", "fine-tune"}) {
      BertCnn model = random_model({.variant = variant}, config);
      const at::Tensor plain = model.forward(packed(kRaggedRows), evaluation()).detach();
      model.pack(Arithmetic::float32);
      EXPECT_LT(max_difference(model.forward(packed(kRaggedRows), evaluation()), plain), 2e-5);
      model.release_encoder(kTinyLayers);
      EXPECT_LT(max_difference(model.forward(packed(kRaggedRows), evaluation()), plain), 2e-5);
    }
  }
}

TEST(PackedModel, LeavesPadPositionsOutOfAttentionWhereTheyArePartOfTheBatch) {
  for (const char* config : {kTinyConfig, kWideConfig}) {
    BertCnn model = random_model({.padding = "include"}, config);
    kernels::PackedBatchBuilder builder;
    const std::vector<int32_t> positions = {0, 1, 2, 3, 4, 5};
    const std::vector<int32_t> types(6, 0);
    builder.add(std::vector<int32_t>{2, 9, 3, 0, 0, 0}, types, positions,
                std::vector<int32_t>{1, 1, 1, 0, 0, 0});
    builder.add(std::vector<int32_t>{2, 9, 8, 7, 6, 3}, types, positions,
                std::vector<int32_t>{1, 1, 1, 1, 1, 1});
    const auto batch = builder.build(at::kCPU);
    const at::Tensor plain = model.forward(batch, evaluation()).detach();
    model.pack(Arithmetic::float32);
    EXPECT_LT(max_difference(model.forward(batch, evaluation()), plain), 2e-5);
    for (const Arithmetic arithmetic : low_precisions()) {
      model.pack(arithmetic);
      EXPECT_GT(correlation(model.forward(batch, evaluation()), plain), 0.98);
    }
  }
}

TEST(PackedModel, StaysNearThePlainOneInLowPrecision) {
  for (const char* config : {kTinyConfig, kWideConfig}) {
    BertCnn model = random_model({}, config);
    const at::Tensor plain = model.forward(packed(kRaggedRows), evaluation()).detach();
    for (const Arithmetic arithmetic : low_precisions()) {
      model.pack(arithmetic);
      EXPECT_EQ(model.arithmetic(), arithmetic);
      const at::Tensor logits = model.forward(packed(kRaggedRows), evaluation());
      EXPECT_EQ(logits.scalar_type(), at::kFloat);
      EXPECT_GT(correlation(logits, plain), 0.99);
    }
  }
}

TEST(PackedModel, ARowsLogitsDoNotDependOnItsBatchMates) {
  for (const Arithmetic arithmetic : {Arithmetic::float32, Arithmetic::int8}) {
    BertCnn model = random_model({}, kWideConfig);
    model.pack(arithmetic);
    const at::Tensor together = model.forward(packed(kRaggedRows), evaluation());
    for (size_t row = 0; row < kRaggedRows.size(); ++row) {
      // In int8 the scales are a row's own, so that its mates have no say there either.
      EXPECT_LT(
          max_difference(model.forward(packed({kRaggedRows[row]}), evaluation())[0], together[row]),
          1e-4);
    }
  }
}

TEST(PackedModel, TrainsItsHeadOnPackedFeatures) {
  BertCnn model = random_model({.dropout = 0}, kWideConfig);
  const at::Tensor plain = model.forward(packed(kRaggedRows), training(1));
  model.pack(Arithmetic::float32);
  model.release_encoder(kTinyLayers);
  const at::Tensor logits = model.forward(packed(kRaggedRows), training(1));
  EXPECT_LT(max_difference(logits, plain), 2e-5);
  logits.sum().backward();
  for (const auto& parameter : model.parameters()) {
    EXPECT_EQ(parameter.tensor.grad().defined(), !parameter.name.starts_with("bert."));
  }
}

TEST(PackedModel, DoesNotTrainAnEncoderWhosePlainWeightsWereReleased) {
  BertCnn model = random_model({.variant = "max-over-time"}, kWideConfig);
  model.pack(Arithmetic::float32);
  model.release_encoder(kTinyLayers);
  EXPECT_THROW(model.forward(packed(kRaggedRows), training(1)), Error);
  model.restore_encoder(0, must_not_reload);
  EXPECT_NO_THROW(model.forward(packed(kRaggedRows), training(1)));
}

TEST(PackedModel, RestoresExactlyTheWeightsThatItReleased) {
  BertCnn model = random_model({}, kWideConfig);
  const std::vector<at::Tensor> before = copy_weights(model);
  model.pack(Arithmetic::float32);
  model.release_encoder(kTinyLayers);
  for (const auto& parameter : model.parameters()) {
    EXPECT_EQ(kernels::is_released(parameter.tensor), is_releasable(parameter)) << parameter.name;
  }
  model.restore_encoder(0, must_not_reload);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(model.parameters()[i].tensor.equal(before[i])) << model.parameters()[i].name;
  }
}

TEST(PackedModel, TakesBackReloadedWeightsOnlyIfTheyAreTheSame) {
  BertCnn model = random_model({}, kWideConfig);
  const std::vector<at::Tensor> before = copy_weights(model);
  model.pack(Arithmetic::int8);
  model.release_encoder(kTinyLayers);
  const at::Tensor logits = model.forward(packed(kRaggedRows), evaluation());
  const auto reload = [&](const kernels::ParameterList& lost) {
    const at::NoGradGuard no_grad;
    EXPECT_EQ(lost.size(), 2U * 6U);  // six matrices a layer
    for (size_t i = 0; i < before.size(); ++i) {
      if (is_releasable(model.parameters()[i])) model.parameters()[i].tensor.copy_(before[i]);
    }
  };
  EXPECT_THROW(model.restore_encoder(0,
                                     [&](const kernels::ParameterList& lost) {
                                       reload(lost);
                                       for (const auto& [name, tensor] : lost) {
                                         if (!name.ends_with("1.output.dense.weight")) continue;
                                         tensor.mutable_data_ptr<float>()[17] *= 1.001F;
                                       }
                                     }),
               Error);
  EXPECT_EQ(model.released_layers(), kTinyLayers);
  EXPECT_TRUE(model.forward(packed(kRaggedRows), evaluation()).equal(logits));
  model.restore_encoder(0, reload);
  EXPECT_EQ(model.released_layers(), 0);
}

// ---- what a profile shows

/// The largest number of elements of any tensor that an operation took.
class LargestTensor {
 public:
  LargestTensor() {
    instance() = this;
    handle_ = at::addThreadLocalCallback(
        at::RecordFunctionCallback([](const at::RecordFunction& function) {
          for (const c10::IValue& input : function.inputs()) instance()->see(input);
          return std::unique_ptr<at::ObserverContext>();
        }).needsInputs(true));
  }
  ~LargestTensor() { at::removeCallback(handle_); }
  LargestTensor(const LargestTensor&) = delete;
  LargestTensor& operator=(const LargestTensor&) = delete;

  int64_t elements() const { return largest_; }
  int64_t calls() const { return calls_; }

 private:
  static LargestTensor*& instance() {
    thread_local LargestTensor* current = nullptr;
    return current;
  }
  void see(const c10::IValue& input) {
    ++calls_;
    if (!input.isTensor() || !input.toTensor().defined()) return;
    const at::Tensor& tensor = input.toTensor();
    largest_ = std::max(largest_, tensor.numel());
  }

  at::CallbackHandle handle_ = 0;
  int64_t largest_ = 0;
  int64_t calls_ = 0;
};

TEST(PackedModel, AProfileShowsNoPaddedTensor) {
  // 260 tokens; padded to the longest they would be 201 * 60 = 12,060. No weight is as large.
  Rows rows(200, {2});
  rows.emplace_back(60, 7);
  constexpr int64_t kTokens = 260;
  constexpr int64_t kWidest = 3 * 64;  // queries, keys and values
  BertCnn model = random_model({.filter_sizes = {{2, 3}}, .num_filters = 8}, kWideConfig);
  const auto batch = packed(rows);
  for (const Arithmetic arithmetic : {Arithmetic::float32, Arithmetic::int8}) {
    model.pack(arithmetic);
    const c10::InferenceMode inference;
    const LargestTensor profile;
    model.forward(batch, evaluation());
    EXPECT_GT(profile.calls(), 0);
    EXPECT_GE(profile.elements(), kTokens * 64);
    EXPECT_LE(profile.elements(), kTokens * kWidest);
  }
}

}  // namespace
}  // namespace bertcnn::model
