#include "model/bert_config.h"

#include <string>

#include "error.h"
#include "model/config_fields.h"

namespace bertcnn::model {
namespace {

void refuse_other_arithmetic(const ConfigFields& fields) {
  const auto unsupported = [](const std::string& what) {
    fail("ERR_UNSUPPORTED_CONFIG", "config.json: ", what);
  };
  if (const auto type = fields.string("model_type"); type && *type != "bert") {
    unsupported("model_type is '" + *type + "'; only 'bert' is supported.");
  }
  if (const auto type = fields.string("position_embedding_type"); type && *type != "absolute") {
    unsupported("position_embedding_type is '" + *type + "'; only 'absolute' is supported.");
  }
  for (const char* name : {"is_decoder", "add_cross_attention"}) {
    if (fields.boolean(name).value_or(false)) {
      unsupported(std::string(name) + " is true; only encoders are supported.");
    }
  }
  if (const json::Value* pruned = fields.any("pruned_heads");
      pruned != nullptr && *pruned != json::Value(json::Object{})) {
    unsupported("pruned_heads is " + json::write(*pruned, 0) + "; pruned heads are not supported.");
  }
  if (fields.any("quantization_config") != nullptr) {
    unsupported("quantization_config is set; quantized weights are not supported.");
  }
}

}  // namespace

BertConfig BertConfig::from_json(const json::Value& config) {
  const ConfigFields fields(config, "config.json");
  refuse_other_arithmetic(fields);

  BertConfig bert;
  const auto integer = [&](int64_t& field, const char* name, int64_t least) {
    field = fields.integer(name, least).value_or(field);
  };
  integer(bert.vocab_size, "vocab_size", 1);
  integer(bert.hidden_size, "hidden_size", 1);
  // The bound keeps a hostile file from filling the memory before its weights are looked at.
  bert.num_hidden_layers =
      fields.integer("num_hidden_layers", 0, 1000).value_or(bert.num_hidden_layers);
  integer(bert.num_attention_heads, "num_attention_heads", 1);
  integer(bert.intermediate_size, "intermediate_size", 1);
  integer(bert.max_position_embeddings, "max_position_embeddings", 1);
  integer(bert.type_vocab_size, "type_vocab_size", 1);
  const auto number = [&](double& field, const char* name, double least, double most) {
    field = fields.number(name, least, most).value_or(field);
  };
  number(bert.hidden_dropout_prob, "hidden_dropout_prob", 0, 1);
  number(bert.attention_probs_dropout_prob, "attention_probs_dropout_prob", 0, 1);
  number(bert.initializer_range, "initializer_range", 0, 1e6);
  number(bert.layer_norm_eps, "layer_norm_eps", 0, 1e6);
  if (const auto name = fields.string("hidden_act")) {
    bert.hidden_act = kernels::parse_activation(*name);
  }
  if (const auto pad = fields.integer("pad_token_id", -1)) {
    // As nn.Embedding counts: -1 is the last token of the vocabulary.
    bert.pad_token_id = *pad == -1 ? bert.vocab_size - 1 : *pad;
  } else if (config.find("pad_token_id") != nullptr) {
    bert.pad_token_id = -1;  // null: no token is padding; a missing field means 0
  }
  if (bert.pad_token_id >= bert.vocab_size) {
    fail("ERR_INVALID_CONFIG", "config.json: pad_token_id is ", bert.pad_token_id,
         ", but the vocabulary has only ", bert.vocab_size, " tokens.");
  }
  if (bert.hidden_size % bert.num_attention_heads != 0) {
    fail("ERR_INVALID_CONFIG", "config.json: hidden_size ", bert.hidden_size,
         " is not a multiple of num_attention_heads ", bert.num_attention_heads, ".");
  }
  return bert;
}

}  // namespace bertcnn::model
