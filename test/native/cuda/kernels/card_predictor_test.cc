// What a card's predictor decides, on a card that is the CPU.
#include "model/card_predictor.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <new>
#include <random>
#include <stdexcept>
#include <string>

#include "cuda/kernels/fake_card.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::testing::evaluation;
using bertcnn::testing::kRaggedRows;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::Rows;
using cuda::FakeCard;
using cuda::WithCard;
using kernels::Arithmetic;
using Cache = cuda::GraphCache<int>;

constexpr const char* kConfig = R"({
  "model_type": "bert", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1,
  "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 32})";

BertCnn packed_model() {
  BertCnn model = random_model({}, kConfig);
  model.pack(Arithmetic::float32);
  return model;
}

class CardPredictorTest : public ::testing::Test {
 protected:
  at::Tensor logits(CardPredictor& predictor, const Rows& rows) const {
    return predictor.logits(packed(rows), evaluation()).clone();
  }
  at::Tensor plain(const Rows& rows) const { return model_.forward(packed(rows), evaluation()); }

  FakeCard card_;
  WithCard use_{card_};
  BertCnn model_ = packed_model();
  c10::InferenceMode inference_;
};

Rows random_rows(std::mt19937& random) {
  Rows rows(1 + random() % 6);
  for (auto& row : rows) {
    row.resize(1 + random() % 20);
    for (int32_t& id : row) id = static_cast<int32_t>(random() % 40);
  }
  return rows;
}

TEST_F(CardPredictorTest, GivesTheModelsLogitsWhateverBatchesCame) {
  CardPredictor predictor(model_);
  std::mt19937 random(3);
  for (int i = 0; i < 120; ++i) {
    const Rows rows = random_rows(random);
    const at::Tensor actual = logits(predictor, rows);
    ASSERT_EQ(actual.sizes(), plain(rows).sizes());
    EXPECT_LT(max_difference(actual, plain(rows)), 1e-6);
  }
  EXPECT_GT(predictor.graphs(), 2U);
}

TEST_F(CardPredictorTest, RecordsASizeThatComesAgainAndAgain) {
  CardPredictor predictor(model_);
  for (int i = 0; i + 1 < Cache::kUsesBefore; ++i) logits(predictor, kRaggedRows);
  EXPECT_EQ(predictor.graphs(), 0U);
  logits(predictor, kRaggedRows);
  EXPECT_EQ(predictor.graphs(), 1U);
}

TEST_F(CardPredictorTest, SeesNewWeightsOnceItsGraphsAreForgotten) {
  CardPredictor predictor(model_);
  for (int i = 0; i < Cache::kUsesBefore; ++i) logits(predictor, kRaggedRows);
  predictor.forget_graphs();
  EXPECT_EQ(predictor.graphs(), 0U);
  EXPECT_LT(max_difference(logits(predictor, kRaggedRows), plain(kRaggedRows)), 1e-6);
}

TEST_F(CardPredictorTest, GoesWithoutGraphsWhereMemoryDoesNotReach) {
  card_.memory_for_graphs = false;
  CardPredictor predictor(model_);
  for (int i = 0; i < 2 * Cache::kUsesBefore; ++i) {
    EXPECT_LT(max_difference(logits(predictor, kRaggedRows), plain(kRaggedRows)), 1e-6);
  }
  EXPECT_EQ(predictor.graphs(), 0U);
  EXPECT_GT(card_.emptied, 0);
}

TEST(CardPredictor, RecordsNoHeadThatAsksTheHost) {
  const FakeCard card;
  const WithCard use(card);
  BertCnn model = random_model({.head = {.pooling = "mean"}}, kConfig);
  model.pack(Arithmetic::float32);
  const c10::InferenceMode inference;
  CardPredictor predictor(model);
  for (int i = 0; i < 2 * Cache::kUsesBefore; ++i) {
    predictor.logits(packed(kRaggedRows), evaluation());
  }
  EXPECT_EQ(predictor.graphs(), 0U);
}

template <typename Failure>
bool counts_as_memory(Failure&& failure) {
  try {
    failure();
  } catch (...) {
    return ran_out_of_memory();
  }
  return false;
}

TEST(RanOutOfMemory, KnowsEveryWayThatSaysSo) {
  EXPECT_TRUE(counts_as_memory([] { throw std::bad_alloc(); }));
  EXPECT_TRUE(counts_as_memory([] { TORCH_CHECK_WITH(OutOfMemoryError, false, "tried to get"); }));
  EXPECT_TRUE(counts_as_memory([] { TORCH_CHECK(false, "CUDA error: out of memory"); }));
  EXPECT_TRUE(counts_as_memory([] { TORCH_CHECK(false, "CUBLAS_STATUS_ALLOC_FAILED when"); }));
}

TEST(RanOutOfMemory, TakesNothingElseForIt) {
  EXPECT_FALSE(counts_as_memory([] { throw std::runtime_error("out of memory"); }));
  EXPECT_FALSE(counts_as_memory([] { TORCH_CHECK(false, "CUDA error: misaligned address"); }));
}

}  // namespace
}  // namespace bertcnn::model
