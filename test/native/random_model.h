// Small models with random weights, made in memory.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <string>
#include <vector>

#include "json.h"
#include "kernels/packed_batch.h"
#include "model/bert_cnn.h"
#include "model/device.h"

namespace bertcnn::testing {

inline constexpr const char* kTinyConfig = R"({
  "model_type": "bert", "vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 2,
  "num_attention_heads": 3, "intermediate_size": 20, "max_position_embeddings": 16,
  "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1})";

inline constexpr const char* kTinyConfigWithoutDropout = R"({
  "model_type": "bert", "vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 2,
  "num_attention_heads": 3, "intermediate_size": 20, "max_position_embeddings": 16,
  "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0})";

constexpr int64_t kTinyLayers = 2;  // of both

/// A model whose weights are all drawn from `seed`, so that none is without effect.
inline model::BertCnn random_model(const model::ConfigOverrides& overrides = {},
                                   const char* config = kTinyConfig, uint64_t seed = 7) {
  model::BertCnn model(model::BertCnnConfig::from_json(json::parse(config, "test"), overrides),
                       at::kCPU);
  at::Generator generator = model::make_generator(at::kCPU, seed);
  const at::NoGradGuard no_grad;
  for (const kernels::Parameter& parameter : model.parameters()) {
    parameter.tensor.normal_(0, 0.3, generator);
  }
  return model;
}

/// Rows of tokens without type ids.
using Rows = std::vector<std::vector<int32_t>>;

/// Of one token up, so that some are shorter than the kernels.
inline const Rows kRaggedRows = {{2, 9, 3}, {2, 10, 11, 12, 13, 14, 3}, {5}, {2, 3}, {2, 7, 8, 3}};

inline kernels::PackedBatch packed(const Rows& rows) {
  kernels::PackedBatchBuilder builder;
  for (const auto& row : rows) {
    std::vector<int32_t> positions;
    for (size_t i = 0; i < row.size(); ++i) positions.push_back(static_cast<int32_t>(i));
    builder.add(row, std::vector<int32_t>(row.size(), 0), positions);
  }
  return builder.build(at::kCPU);
}

inline kernels::ForwardContext evaluation() {
  return {};
}

inline kernels::ForwardContext training(uint64_t seed) {
  return {true, model::make_generator(at::kCPU, seed), {}};
}

/// All weights, in the order of the state dict.
inline std::vector<at::Tensor> copy_weights(const model::BertCnn& model) {
  std::vector<at::Tensor> copies;
  for (const auto& parameter : model.parameters()) {
    copies.push_back(parameter.tensor.detach().clone());
  }
  return copies;
}

/// Largest absolute difference of two tensors of one shape.
inline double max_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.detach() - b.detach()).abs().max().item<double>();
}

}  // namespace bertcnn::testing
