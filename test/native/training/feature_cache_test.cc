#include "training/feature_cache.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "error.h"
#include "random_model.h"
#include "training/targets.h"
#include "training/trainer.h"

namespace bertcnn::training {
namespace {

using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::Rows;

const Rows kRows = {{2, 9, 3}, {2, 10, 11, 12, 13, 14, 3}, {2, 7, 8, 3}};
constexpr int64_t kTokens = 14;
constexpr int64_t kTokenBytes = 12 * 4 + 3 * 4;  // hidden states and key

constexpr const char* kLargerConfig = R"({
  "model_type": "bert", "vocab_size": 40, "hidden_size": 256, "num_hidden_layers": 2,
  "num_attention_heads": 4, "intermediate_size": 1024, "max_position_embeddings": 64,
  "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1})";

FeatureCacheOptions enabled() {
  return {.enabled = true};
}

at::Tensor targets() {
  return class_targets(std::vector<int64_t>{0, 1, 1}, 3, 2, at::kCPU);
}

/// A model as the engine has it, with packed weights.
model::BertCnn packed_model(const model::ConfigOverrides& overrides = {}) {
  model::BertCnn model = random_model(overrides);
  model.pack(kernels::Arithmetic::float32);
  return model;
}

TEST(FeatureCache, ComputesARowOnce) {
  const model::BertCnn model = packed_model();
  FeatureCache cache(enabled());
  const at::Tensor first = cache.encode(model, packed(kRows), {});
  EXPECT_EQ(cache.counts().misses, 3);
  EXPECT_EQ(cache.counts().rows, 3);
  EXPECT_EQ(cache.counts().memory_bytes, kTokens * kTokenBytes);
  const at::Tensor second = cache.encode(model, packed(kRows), {});
  EXPECT_EQ(cache.counts().hits, 3);
  EXPECT_EQ(cache.counts().misses, 3);
  EXPECT_TRUE(first.equal(second));
  EXPECT_LT(max_difference(first, model.encode(packed(kRows), {}).values), 1e-5);
}

TEST(FeatureCache, GivesARowTheSameBitsWhateverItsBatchAndWhateverIsThere) {
  const model::BertCnn model = packed_model();
  FeatureCache cache(enabled());
  cache.encode(model, packed({kRows[1], kRows[1]}), {});
  const at::Tensor features = cache.encode(model, packed(kRows), {});
  int64_t begin = 0;
  for (const auto& row : kRows) {
    const auto length = static_cast<int64_t>(row.size());
    FeatureCache empty(enabled());
    EXPECT_TRUE(features.narrow(0, begin, length).equal(empty.encode(model, packed({row}), {})));
    begin += length;
  }
}

TEST(FeatureCache, TellsRowsApartByTypesAndPositions) {
  const model::BertCnn model = packed_model();
  FeatureCache cache(enabled());
  const std::vector<int32_t> ids = {2, 9, 3}, zeros = {0, 0, 0}, ones = {1, 1, 1};
  const std::vector<int32_t> positions = {0, 1, 2}, gap = {0, 2, 3};
  kernels::PackedBatchBuilder builder;
  builder.add(ids, zeros, positions);
  builder.add(ids, ones, positions);
  builder.add(ids, zeros, gap);
  const kernels::PackedBatch batch = builder.build(at::kCPU);
  const at::Tensor features = cache.encode(model, batch, {});
  EXPECT_EQ(cache.counts().misses, 3);
  EXPECT_LT(max_difference(features, model.encode(batch, {}).values), 1e-5);
}

TEST(FeatureCache, KeepsInAFileWhatMemoryDoesNotHold) {
  const model::BertCnn model = packed_model();
  FeatureCache in_memory(enabled());
  FeatureCacheOptions options = enabled();
  options.memory = 9 * kTokenBytes;  // room for the first and the third row
  FeatureCache cache(options);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(
        cache.encode(model, packed(kRows), {}).equal(in_memory.encode(model, packed(kRows), {})));
  }
  EXPECT_EQ(cache.counts().hits, 3);
  EXPECT_EQ(cache.counts().file_bytes, 7 * 12 * 4);
}

TEST(FeatureCache, ForgetsWhatOtherWeightsGave) {
  const model::BertCnn model = packed_model();
  FeatureCache cache(enabled());
  const at::Tensor before = cache.encode(model, packed(kRows), {});
  const auto change = [&](const char* name) {
    const at::NoGradGuard no_grad;
    for (const kernels::Parameter& parameter : model.parameters()) {
      if (parameter.name == name) parameter.tensor.add_(1);
    }
  };
  change("fc.weight");
  cache.encode(model, packed(kRows), {});
  EXPECT_EQ(cache.counts().hits, 3);
  change("bert.embeddings.word_embeddings.weight");
  EXPECT_FALSE(cache.encode(model, packed(kRows), {}).equal(before));
  EXPECT_EQ(cache.counts().misses, 6);
  EXPECT_EQ(cache.counts().rows, 3);
}

TEST(FeatureCache, RoundsToBFloat16WhetherARowIsNewOrNot) {
  const model::BertCnn model = packed_model();
  FeatureCacheOptions options = enabled();
  options.bfloat16 = true;
  FeatureCache cache(options);
  const at::Tensor first = cache.encode(model, packed(kRows), {});
  EXPECT_TRUE(first.equal(cache.encode(model, packed(kRows), {})));
  EXPECT_EQ(first.scalar_type(), at::kFloat);
  EXPECT_EQ(cache.counts().memory_bytes, kTokens * (12 * 2 + 3 * 4));
  FeatureCache exact(enabled());
  const at::Tensor whole = exact.encode(model, packed(kRows), {}).contiguous();
  // To the nearest, ties to even: 8 bits of the significand stay.
  const auto* values = whole.const_data_ptr<float>();
  for (int64_t i = 0; i < whole.numel(); ++i) {
    uint32_t word = 0;
    std::memcpy(&word, values + i, sizeof word);
    word = (word + 0x7FFF + ((word >> 16) & 1)) & 0xFFFF0000;
    float rounded = 0;
    std::memcpy(&rounded, &word, sizeof rounded);
    ASSERT_EQ(first.flatten()[i].item<float>(), rounded);
  }
}

TEST(FeatureCache, KeepsNothingOfABatchThatWasCancelled) {
  const model::BertCnn model = packed_model();
  FeatureCache cache(enabled());
  std::atomic<int> asked = 0;
  const kernels::ForwardContext context = {.cancelled = [&] { return ++asked > 3; }};
  EXPECT_THROW(cache.encode(model, packed(kRows), context), Error);
  EXPECT_EQ(cache.counts().rows, 0);
  cache.encode(model, packed(kRows), {});
  EXPECT_EQ(cache.counts().hits, 0);
}

TEST(FeatureCache, GivesARowTheSameBitsOnAnyNumberOfThreads) {
  // Large enough for products to be shared among threads.
  const model::BertCnn model = [] {
    model::BertCnn model = random_model({}, kLargerConfig);
    model.pack(kernels::Arithmetic::float32);
    return model;
  }();
  std::vector<int32_t> row(60);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<int32_t>(i % 40);
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> results;
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    for (const Rows& rows : {Rows{row}, Rows{row, kRows[0], kRows[1]}}) {
      FeatureCache cache(enabled());
      results.push_back(cache.encode(model, packed(rows), {}).narrow(0, 0, 60));
    }
  }
  at::set_num_threads(threads);
  for (const at::Tensor& result : results) EXPECT_TRUE(result.equal(results[0]));
}

// ---- in training

struct CachedRun {
  model::BertCnn model = packed_model({.dropout = 0.3});
  at::Generator generator = model::make_generator(at::kCPU, 5);

  Trainer trainer(const FeatureCacheOptions& cache) {
    TrainingOptions options;
    options.head_learning_rate = 1e-2;
    options.feature_cache = cache;
    return {model, options, generator};
  }
};

std::vector<double> losses(Trainer& trainer, int steps) {
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) {
    losses.push_back(trainer.step(packed(kRows), targets(), {}).loss);
  }
  return losses;
}

TEST(TrainingWithAFeatureCache, FollowsTrainingWithout) {
  CachedRun with, without;
  Trainer cached = with.trainer(enabled());
  Trainer plain = without.trainer({});
  const auto expected = losses(plain, 10), got = losses(cached, 10);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], 1e-5 * (1 + expected[i])) << i;
  }
  EXPECT_EQ(cached.feature_counts().hits, 27);
  EXPECT_EQ(plain.feature_counts().misses, 0);
}

TEST(TrainingWithAFeatureCache, GoesOnBitForBitWithAnEmptyOne) {
  const auto run = [](int interruption) {
    CachedRun run;
    Trainer trainer = run.trainer(enabled());
    const Rows other = {kRows[2], {2, 20, 3}};
    const at::Tensor labels = class_targets(std::vector<int64_t>{1, 0}, 2, 2, at::kCPU);
    for (int i = 0; i < 6; ++i) {
      if (i == interruption) {
        // What is cached goes by changing weights to what they were.
        const at::NoGradGuard no_grad;
        for (const auto& [name, tensor] : run.model.parameters()) {
          if (name.starts_with("bert.")) tensor.copy_(tensor.clone());
        }
        run.model.pack(kernels::Arithmetic::float32);
      }
      if (i % 2 == 0) {
        trainer.step(packed(kRows), targets(), {});
      } else {
        trainer.step(packed(other), labels, {});
      }
    }
    std::vector<at::Tensor> weights;
    for (const auto& parameter : run.model.parameters()) {
      weights.push_back(parameter.tensor.detach().clone());
    }
    EXPECT_EQ(trainer.feature_counts().rows, 4);
    return weights;
  };
  const auto expected = run(-1);
  for (const int interruption : {1, 2, 3}) {
    const auto got = run(interruption);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].equal(expected[i])) << i;
  }
}

TEST(TrainingWithAFeatureCache, TakesTheSameStepsOnAFullDisk) {
  const auto run = [](bool full) {
    CachedRun run;
    FeatureCacheOptions options = enabled();
    options.memory = 0;
    Trainer trainer = run.trainer(options);
    struct rlimit former {};
    getrlimit(RLIMIT_FSIZE, &former);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {200, former.rlim_max};
    if (full) setrlimit(RLIMIT_FSIZE, &small);
    const auto result = losses(trainer, 3);
    setrlimit(RLIMIT_FSIZE, &former);
    std::signal(SIGXFSZ, handler);
    EXPECT_EQ(trainer.feature_counts().rows, full ? 1 : 3);
    return result;
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(TrainingWithAFeatureCache, IsIdleAndEmptyWhileTheEncoderIsTrained) {
  CachedRun run;
  Trainer trainer = run.trainer(enabled());
  losses(trainer, 2);
  EXPECT_EQ(trainer.feature_counts().rows, 3);
  run.model.set_freeze(1);
  trainer.follow_freeze();
  EXPECT_EQ(trainer.feature_counts().rows, 0);
  EXPECT_EQ(trainer.feature_counts().memory_bytes, 0);
  const at::Tensor before = trainer.predict(packed(kRows), {});
  losses(trainer, 2);
  EXPECT_EQ(trainer.feature_counts().rows, 0);
  EXPECT_EQ(trainer.feature_counts().misses, 3);
  run.model.set_freeze("encoder");
  trainer.follow_freeze();
  run.model.pack(kernels::Arithmetic::float32);
  EXPECT_FALSE(trainer.predict(packed(kRows), {}).equal(before));
  EXPECT_EQ(trainer.feature_counts().misses, 6);
}

TEST(TrainingWithAFeatureCache, PredictsWithWhatStepsHaveComputed) {
  CachedRun run;
  Trainer trainer = run.trainer(enabled());
  losses(trainer, 2);
  run.model.pack(kernels::Arithmetic::float32);
  const at::NoGradGuard no_grad;
  const at::Tensor logits = trainer.predict(packed(kRows), {});
  EXPECT_EQ(trainer.feature_counts().hits, 6);
  EXPECT_EQ(trainer.feature_counts().misses, 3);
  EXPECT_LT(max_difference(logits, run.model.forward(packed(kRows), {})), 1e-4);
}

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_INVALID_ARGUMENT");
    return error.what();
  }
  return "";
}

TEST(TrainingWithAFeatureCache, IsRefusedWhereItCanNotBe) {
  CachedRun run;
  const model::BertCnn include = random_model({.padding = "include"});
  TrainingOptions options;
  options.feature_cache = enabled();
  EXPECT_EQ(refusal([&] { Trainer(include, options, run.generator); }),
            "Expected no options.featureCache with padding 'include', where a row's hidden states "
            "depend on its batch.");
  options.feature_cache.directory = "/no/such/folder";
  EXPECT_EQ(refusal([&] { Trainer(run.model, options, run.generator); }),
            "Expected an existing directory for options.featureCache.directory but received "
            "'/no/such/folder'.");
  options.feature_cache.memory = -1;
  EXPECT_EQ(refusal([&] { check(options); }),
            "Expected at least 0 for featureCache.memory but received -1.");
}

}  // namespace
}  // namespace bertcnn::training
