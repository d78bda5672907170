// The parts of a tokenizer.json (the format of Hugging Face's `tokenizers`) that make a BERT
// tokenizer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/json_fields.h"
#include "text/tokenizer_files.h"

namespace bertcnn::text {

/// BERT's normalizer settings as they are written: `strip_accents` may be left open and then
/// follows `lowercase`.
struct NormalizerSettings {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents;
  bool lowercase = true;

  NormalizerOptions resolved() const;
};

/// Reads a parsed tokenizer.json into `definition` (all but `files` and `model_max_length`; its
/// `added_tokens` as they are listed, ids not yet given) and `settings`. `source` names the file in
/// errors: `ERR_TOKENIZER_FORMAT` where it is no BERT tokenizer.
void read_tokenizer_json(const json::Value& value, const std::string& source,
                         TokenizerDefinition& definition, NormalizerSettings& settings);

/// An added token as tokenizer.json and tokenizer_config.json write it.
AddedToken read_added_token(const JsonFields& fields);

}  // namespace bertcnn::text
