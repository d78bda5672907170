// The configuration of a BERT encoder, as Hugging Face's config.json holds it.
#pragma once

#include <cstdint>

#include "json.h"
#include "kernels/activation_name.h"

namespace bertcnn::model {

/// The fields that decide the arithmetic. The defaults are those of transformers' BertConfig.
struct BertConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  kernels::Activation hidden_act = kernels::Activation::gelu;
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  int64_t pad_token_id = 0;  // its embedding gets no gradient; -1: none

  /// Reads config.json. ERR_INVALID_CONFIG: a field has a type or value that cannot be.
  /// ERR_UNSUPPORTED_CONFIG: a field asks for arithmetic that is not BERT's encoder (a decoder,
  /// relative positions, pruned heads, quantized weights, another model_type). Other fields change
  /// nothing here.
  static BertConfig from_json(const json::Value& config);
};

}  // namespace bertcnn::model
