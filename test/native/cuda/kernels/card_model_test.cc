// The whole way that a card's predictions take on the host, beside the CPU's own.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "cuda/kernels/fake_card.h"
#include "model/bert_cnn.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::evaluation;
using bertcnn::testing::kRaggedRows;
using bertcnn::testing::kTinyConfig;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::training;
using cuda::FakeCard;
using cuda::WithCard;
using kernels::Arithmetic;

/// Packs of eight, an activation that cublasLt would have.
constexpr const char* kWideConfig = R"({
  "model_type": "bert", "vocab_size": 40, "hidden_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 2, "intermediate_size": 96, "max_position_embeddings": 64,
  "hidden_act": "gelu_new"})";

/// The bound for logits of about 1.
double bound_of(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::float32) return 2e-5;
  return arithmetic == Arithmetic::float16 ? 2e-2 : 1e-1;
}

TEST(CardModel, HasTheCpusLogits) {
  for (const char* config : {kTinyConfig, kWideConfig}) {
    for (const char* variant : {"frozen", "fine-tune"}) {
      BertCnn model = random_model({.variant = variant}, config);
      const at::Tensor plain = model.forward(packed(kRaggedRows), evaluation()).detach();
      const double scale = plain.abs().max().item<double>();
      const FakeCard card;
      const WithCard use(card);
      for (const Arithmetic arithmetic :
           {Arithmetic::float32, Arithmetic::float16, Arithmetic::bfloat16}) {
        model.pack(arithmetic);
        const c10::InferenceMode inference;
        const at::Tensor logits = model.forward(packed(kRaggedRows), evaluation());
        EXPECT_EQ(logits.scalar_type(), at::kFloat);
        EXPECT_LT(max_difference(logits, plain), bound_of(arithmetic) * scale);
      }
      EXPECT_GT(card.calls, 0);
    }
  }
}

TEST(CardModel, LeavesPadPositionsOutOfAttention) {
  BertCnn model = random_model({.padding = "include"}, kWideConfig);
  kernels::PackedBatchBuilder builder;
  const std::vector<int32_t> positions = {0, 1, 2, 3, 4, 5};
  const std::vector<int32_t> types(6, 0);
  builder.add(std::vector<int32_t>{2, 9, 3, 0, 0, 0}, types, positions,
              std::vector<int32_t>{1, 1, 1, 0, 0, 0});
  builder.add(std::vector<int32_t>{2, 9, 8, 7, 6, 3}, types, positions,
              std::vector<int32_t>{1, 1, 1, 1, 1, 1});
  const auto batch = builder.build(at::kCPU);
  const at::Tensor plain = model.forward(batch, evaluation()).detach();
  const FakeCard card;
  const WithCard use(card);
  model.pack(Arithmetic::float32);
  const c10::InferenceMode inference;
  EXPECT_LT(max_difference(model.forward(batch, evaluation()), plain), 2e-5);
}

TEST(CardModel, SeesWeightsThatChangedSinceTheyWerePacked) {
  BertCnn model = random_model({}, kWideConfig);
  const FakeCard card;
  const WithCard use(card);
  model.pack(Arithmetic::bfloat16);
  const at::Tensor before = model.forward(packed(kRaggedRows), evaluation());
  {
    const at::NoGradGuard no_grad;
    for (const auto& parameter : model.parameters()) parameter.tensor.mul_(0.5);
  }
  model.pack(Arithmetic::bfloat16);
  EXPECT_GT(max_difference(model.forward(packed(kRaggedRows), evaluation()), before), 0.01);
}

TEST(CardModel, TrainsAHeadOnWhatAFrozenEncoderComputesInLowPrecision) {
  BertCnn model = random_model({.variant = "frozen"}, kWideConfig);
  const FakeCard card;
  const WithCard use(card);
  model.pack(Arithmetic::bfloat16);
  const at::Tensor logits = model.forward(packed(kRaggedRows), training(1));
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  logits.sum().backward();
  for (const auto& parameter : model.trained_parameters()) {
    EXPECT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
    EXPECT_EQ(parameter.tensor.grad().scalar_type(), at::kFloat) << parameter.name;
  }
}

TEST(CardModel, DoesNotReadRowsThatBelongToNoSequence) {
  BertCnn model = random_model({}, kWideConfig);
  const FakeCard card;
  const WithCard use(card);
  model.pack(Arithmetic::float32);
  const c10::InferenceMode inference;
  kernels::PackedBatch batch = packed(kRaggedRows);
  const at::Tensor expected = model.forward(batch, evaluation());
  // Filled up to a graph's size: pad tokens behind, and sequences of no tokens.
  const int64_t rows = batch.sequences();
  const auto fill = [](const at::Tensor& ids) { return at::cat({ids, at::zeros({5}, at::kLong)}); };
  batch.device_offsets =
      at::cat({batch.offsets_on(at::kCPU), at::full({3}, batch.tokens(), at::kInt)});
  batch.longest_length = 16;
  batch.input_ids = fill(batch.input_ids);
  batch.token_type_ids = fill(batch.token_type_ids);
  batch.position_ids = fill(batch.position_ids);
  const at::Tensor logits = model.forward(batch, evaluation());
  ASSERT_EQ(logits.size(0), rows + 3);
  EXPECT_EQ(max_difference(logits.narrow(0, 0, rows), expected), 0);
}

}  // namespace
}  // namespace bertcnn::model
