// What is read as JSON: any value, a config.json, the index of a sharded checkpoint.
#include "json.h"

#include "../support.h"
#include "checkpoint/shards.h"
#include "model/bert_cnn_config.h"

namespace bertcnn::fuzz {
namespace {

/// What is written reads back as the same, with and without line breaks.
void check_round_trip(const json::Value& value) {
  const std::string written = json::write(value, 0);
  require(json::write(json::parse(written, file_name), 0) == written, "JSON reads back equal");
  const std::string indented = json::write(value);
  require(json::write(json::parse(indented, file_name), 0) == written, "so does it with spaces");
}

void check_config(const json::Value& value) {
  model::BertCnnConfig config;
  const bool is_config = reads(
      {"ERR_INVALID_CONFIG", "ERR_UNSUPPORTED_CONFIG"},
      [&] { config = model::BertCnnConfig::from_json(value, {}); }, "config.json");
  if (!is_config) {
    return;
  }
  require(config.bert.hidden_size % config.bert.num_attention_heads == 0, "heads are whole");
  require(config.bert.pad_token_id < config.bert.vocab_size, "the pad token is in the vocabulary");
  require(config.largest_filter() >= 1 &&
              config.largest_filter() <= config.bert.max_position_embeddings,
          "filters fit the longest text");
  require(config.num_labels() >= 1, "there is a label");
  const json::Value saved = config.to_json();
  const json::Value again = model::BertCnnConfig::from_json(saved, {}).to_json();
  require(json::write(saved) == json::write(again), "a saved configuration reads back as it is");
}

void check_shard_index(std::string_view text) {
  checkpoint::ShardIndex index;
  const bool is_index = reads({"ERR_CHECKPOINT_FORMAT"}, [&] {
    index = checkpoint::read_shard_index({file_name, std::as_bytes(std::span(text))});
  });
  if (!is_index) {
    return;
  }
  for (const auto& [name, file] : index.tensors) {
    require(file < index.files.size(), "a tensor's shard is one of them");
  }
  for (const std::string& file : index.files) {
    require(file.find('/') == std::string::npos && file != "..", "shards lie in the folder");
  }
}

void check(std::string_view text) {
  json::Value value;
  const bool is_json = reads({"ERR_INVALID_JSON"}, [&] {
    const MemoryLimit limit((size_t{16} << 10) + 128 * text.size());
    value = json::parse(text, file_name);
  });
  if (is_json) {
    check_round_trip(value);
    check_config(value);
  }
  check_shard_index(text);
}

}  // namespace
}  // namespace bertcnn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bertcnn::fuzz::check(bertcnn::fuzz::text_of(data, size));
  return 0;
}
