#include "model/bert.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "kernels/attention.h"
#include "kernels/dropout.h"

namespace bertcnn::model {

using kernels::ForwardContext;
using kernels::PackedBatch;
using kernels::ParameterList;

BertEmbeddings::BertEmbeddings(const BertConfig& config, const at::TensorOptions& options)
    : pad_token_id_(config.pad_token_id),
      dropout_(config.hidden_dropout_prob),
      word_embeddings_(at::empty({config.vocab_size, config.hidden_size}, options)),
      position_embeddings_(
          at::empty({config.max_position_embeddings, config.hidden_size}, options)),
      token_type_embeddings_(at::zeros({config.type_vocab_size, config.hidden_size}, options)),
      layer_norm_(config.hidden_size, config.layer_norm_eps, options) {}

at::Tensor BertEmbeddings::forward(const PackedBatch& batch, const ForwardContext& context) const {
  // padding_idx, so that the pad token's embedding gets no gradient (padding: "include")
  const at::Tensor words = at::embedding(word_embeddings_, batch.input_ids, pad_token_id_);
  const at::Tensor types = at::embedding(token_type_embeddings_, batch.token_type_ids);
  const at::Tensor positions = at::embedding(position_embeddings_, batch.position_ids);
  return kernels::dropout(layer_norm_.forward(words + types + positions), dropout_, context);
}

void BertEmbeddings::parameters(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + "word_embeddings.weight", word_embeddings_});
  list.push_back({prefix + "position_embeddings.weight", position_embeddings_});
  list.push_back({prefix + "token_type_embeddings.weight", token_type_embeddings_});
  layer_norm_.parameters(prefix + "LayerNorm.", list);
}

BertLayer::BertLayer(const BertConfig& config, const at::TensorOptions& options)
    : heads_(config.num_attention_heads),
      dropout_(config.hidden_dropout_prob),
      attention_dropout_(config.attention_probs_dropout_prob),
      activation_(config.hidden_act),
      query_(config.hidden_size, config.hidden_size, options),
      key_(config.hidden_size, config.hidden_size, options),
      value_(config.hidden_size, config.hidden_size, options),
      attention_output_(config.hidden_size, config.hidden_size, options),
      attention_layer_norm_(config.hidden_size, config.layer_norm_eps, options),
      intermediate_(config.hidden_size, config.intermediate_size, options),
      output_(config.intermediate_size, config.hidden_size, options),
      output_layer_norm_(config.hidden_size, config.layer_norm_eps, options) {}

at::Tensor BertLayer::forward(const at::Tensor& hidden, const PackedBatch& batch,
                              const ForwardContext& context) const {
  const at::Tensor attended =
      kernels::attention(query_.forward(hidden), key_.forward(hidden), value_.forward(hidden),
                         batch, heads_, attention_dropout_, context);
  const at::Tensor attention_output = attention_layer_norm_.forward(
      kernels::dropout(attention_output_.forward(attended), dropout_, context) + hidden);
  const at::Tensor intermediate =
      kernels::activate(intermediate_.forward(attention_output), activation_);
  return output_layer_norm_.forward(
      kernels::dropout(output_.forward(intermediate), dropout_, context) + attention_output);
}

void BertLayer::parameters(const std::string& prefix, ParameterList& list) const {
  query_.parameters(prefix + "attention.self.query.", list);
  key_.parameters(prefix + "attention.self.key.", list);
  value_.parameters(prefix + "attention.self.value.", list);
  attention_output_.parameters(prefix + "attention.output.dense.", list);
  attention_layer_norm_.parameters(prefix + "attention.output.LayerNorm.", list);
  intermediate_.parameters(prefix + "intermediate.dense.", list);
  output_.parameters(prefix + "output.dense.", list);
  output_layer_norm_.parameters(prefix + "output.LayerNorm.", list);
}

Bert::Bert(const BertConfig& config, const at::TensorOptions& options)
    : embeddings_(config, options), pooler_(config.hidden_size, config.hidden_size, options) {
  layers_.reserve(config.num_hidden_layers);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) layers_.emplace_back(config, options);
}

at::Tensor Bert::forward(const PackedBatch& batch, const ForwardContext& context) const {
  at::Tensor hidden = embeddings_.forward(batch, context);
  for (const BertLayer& layer : layers_) {
    context.check_cancelled();
    hidden = layer.forward(hidden, batch, context);
  }
  return hidden;
}

void Bert::parameters(const std::string& prefix, ParameterList& list) const {
  embeddings_.parameters(prefix + "embeddings.", list);
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].parameters(prefix + "encoder.layer." + std::to_string(i) + ".", list);
  }
  pooler_.parameters(prefix + "pooler.dense.", list);
}

}  // namespace bertcnn::model
