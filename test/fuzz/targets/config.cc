// A config.json. Inputs are changed value by value, so that most are still JSON.
#include <iterator>

#include "../json_mutator.h"
#include "../support.h"
#include "model/bert_cnn_config.h"

namespace bertcnn::fuzz {
namespace {

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
  const auto& [temperature, thresholds] = config.calibration;
  require(!temperature || *temperature > 0, "the temperature is above 0");
  require(thresholds.empty() || std::ssize(thresholds) == config.num_labels(),
          "each label has a threshold");
  const json::Value saved = config.to_json();
  const json::Value again = model::BertCnnConfig::from_json(saved, {}).to_json();
  require(json::write(saved) == json::write(again), "a saved configuration reads back as it is");
}

/// A million are allowed, and a sanitizer takes seconds for so many.
bool has_many_labels(const json::Value& value) {
  const json::Value* const count = value.find("num_labels");
  constexpr int64_t many = 1000;
  constexpr int64_t refused = 1'000'001;
  return count != nullptr && count->is_integer() && count->as_integer() > many &&
         count->as_integer() < refused;
}

void check(std::string_view text) {
  json::Value value;
  if (reads({"ERR_INVALID_JSON"}, [&] { value = json::parse(text, file_name); }) &&
      !has_many_labels(value)) {
    check_config(value);
  }
}

}  // namespace
}  // namespace bertcnn::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  return bertcnn::fuzz::mutate_json(data, size, most, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bertcnn::fuzz::check(bertcnn::fuzz::text_of(data, size));
  return 0;
}
