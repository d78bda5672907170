#include "model/bert.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <memory>

#include "fault_point.h"
#include "kernels/checkpointed.h"
#include "kernels/cpu/rows.h"
#include "kernels/dropout.h"
#include "kernels/recycling_allocator.h"
#include "kernels/weight_casts.h"

namespace bertcnn::model {

using kernels::Arithmetic;
using kernels::ForwardContext;
using kernels::HiddenStates;
using kernels::LayerNorm;
using kernels::Linear;
using kernels::Operand;
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

HiddenStates BertEmbeddings::forward(const PackedBatch& batch,
                                     const ForwardContext& context) const {
  if (context.arithmetic != Arithmetic::autograd) {
    return kernels::embed_rows({word_embeddings_, position_embeddings_, token_type_embeddings_},
                               batch, layer_norm_.weights(), context.arithmetic);
  }
  // padding_idx, so that the pad token's embedding gets no gradient (padding: "include")
  const at::Tensor words = at::embedding(word_embeddings_, batch.input_ids, pad_token_id_);
  const at::Tensor types = at::embedding(token_type_embeddings_, batch.token_type_ids);
  const at::Tensor positions = at::embedding(position_embeddings_, batch.position_ids);
  const at::Tensor hidden =
      kernels::dropout(layer_norm_.forward(words + types + positions), dropout_, context);
  return {hidden, {hidden}};
}

void BertEmbeddings::parameters(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + "word_embeddings.weight", word_embeddings_});
  list.push_back({prefix + "position_embeddings.weight", position_embeddings_});
  list.push_back({prefix + "token_type_embeddings.weight", token_type_embeddings_});
  layer_norm_.parameters(prefix + "LayerNorm.", list);
}

BertLayer::BertLayer(const BertConfig& config, const at::TensorOptions& options)
    : dropout_(config.hidden_dropout_prob),
      activation_(config.hidden_act),
      attention_(config.hidden_size, config.num_attention_heads,
                 config.attention_probs_dropout_prob, options),
      attention_output_(config.hidden_size, config.hidden_size, options),
      attention_layer_norm_(config.hidden_size, config.layer_norm_eps, options),
      intermediate_(config.hidden_size, config.intermediate_size, options),
      output_(config.intermediate_size, config.hidden_size, options),
      output_layer_norm_(config.hidden_size, config.layer_norm_eps, options) {}

HiddenStates BertLayer::forward(const HiddenStates& hidden, const PackedBatch& batch,
                                const ForwardContext& context) const {
  const Operand attended = attention_.forward(hidden, batch, context);
  const HiddenStates attention_output = attention_layer_norm_.forward(
      attention_output_.forward(attended, context), hidden, dropout_, context);
  const Operand intermediate =
      intermediate_.forward(attention_output.operand, activation_, context);
  return output_layer_norm_.forward(output_.forward(intermediate, context), attention_output,
                                    dropout_, context);
}

void BertLayer::pack(Arithmetic arithmetic, LayerNorm& before) {
  attention_.pack(arithmetic, &before);
  attention_output_.pack(arithmetic);
  intermediate_.pack(arithmetic, &attention_layer_norm_);
  output_.pack(arithmetic);
}

void BertLayer::drop_packs() {
  attention_.drop_pack();
  for (Linear* linear : {&attention_output_, &intermediate_, &output_}) linear->drop_pack();
}

void BertLayer::release() const {
  attention_.release();
  for (const Linear* linear : {&attention_output_, &intermediate_, &output_}) linear->release();
}

bool BertLayer::restore() const {
  bool whole = attention_.restore();
  for (const Linear* linear : {&attention_output_, &intermediate_, &output_}) {
    whole &= linear->restore();
  }
  return whole;
}

bool BertLayer::is_packed() const {
  return attention_.is_packed() && attention_output_.is_packed() && intermediate_.is_packed() &&
         output_.is_packed();
}

void BertLayer::parameters(const std::string& prefix, ParameterList& list) const {
  attention_.parameters(prefix + "attention.self.", list);
  attention_output_.parameters(prefix + "attention.output.dense.", list);
  attention_layer_norm_.parameters(prefix + "attention.output.LayerNorm.", list);
  intermediate_.parameters(prefix + "intermediate.dense.", list);
  output_.parameters(prefix + "output.dense.", list);
  output_layer_norm_.parameters(prefix + "output.LayerNorm.", list);
}

namespace {

/// The layer's output, of which only the input is kept for the backward pass.
HiddenStates checkpoint(const BertLayer& layer, const at::Tensor& hidden, const PackedBatch& batch,
                        const ForwardContext& context) {
  const auto casts = std::make_shared<kernels::WeightCasts>();
  const auto compute = [&layer, &batch, context, casts](const at::Tensor& x,
                                                        const at::Generator& generator) {
    ForwardContext own = context;
    own.generator = generator;
    own.casts = casts.get();
    at::Tensor values = layer.forward({x, {x}}, batch, own).values;
    casts->begin_second_pass();
    return values;
  };
  const at::Tensor output = kernels::checkpointed(hidden, context.generator, compute);
  return {output, {output}};
}

}  // namespace

Bert::Bert(const BertConfig& config, const at::TensorOptions& options)
    : embeddings_(config, options), pooler_(config.hidden_size, config.hidden_size, options) {
  layers_.reserve(config.num_hidden_layers);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) layers_.emplace_back(config, options);
}

HiddenStates Bert::forward(HiddenStates hidden, const PackedBatch& batch,
                           const ForwardContext& context, Blocks blocks,
                           std::vector<at::Tensor>* states) const {
  for (int64_t block = blocks.first; block < blocks.end; ++block) {
    if (block == 0) {
      hidden = embeddings_.forward(batch, context);
    } else {
      context.check_cancelled();
      fault_point("layer");
      const BertLayer& layer = layers_[block - 1];
      hidden = context.checkpointing && hidden.values.requires_grad()
                   ? checkpoint(layer, hidden.values, batch, context)
                   : layer.forward(hidden, batch, context);
    }
    if (states != nullptr) states->push_back(hidden.values);
  }
  return hidden;
}

void Bert::pack(Arithmetic arithmetic, bool release) {
  LayerNorm* before = &embeddings_.layer_norm();
  for (BertLayer& layer : layers_) {
    layer.pack(arithmetic, *before);
    before = &layer.output_layer_norm();
    if (!release) continue;
    layer.release();
    kernels::release_recycled_memory();
  }
}

void Bert::drop_packs(int64_t first) {
  for (auto layer = layers_.begin() + first; layer != layers_.end(); ++layer) layer->drop_packs();
}

void Bert::release(int64_t first, int64_t last) const {
  for (int64_t i = first; i < last; ++i) layers_[i].release();
}

bool Bert::restore(int64_t first, int64_t last) const {
  bool whole = true;
  for (int64_t i = first; i < last; ++i) whole &= layers_[i].restore();
  return whole;
}

bool Bert::is_packed(int64_t first, int64_t last) const {
  return std::all_of(layers_.begin() + first, layers_.begin() + last,
                     [](const BertLayer& layer) { return layer.is_packed(); });
}

void Bert::parameters(const std::string& prefix, ParameterList& list) const {
  embeddings_.parameters(prefix + "embeddings.", list);
  for (size_t i = 0; i < layers_.size(); ++i) {
    layers_[i].parameters(prefix + "encoder.layer." + std::to_string(i) + ".", list);
  }
  pooler_.parameters(prefix + "pooler.dense.", list);
}

}  // namespace bertcnn::model
