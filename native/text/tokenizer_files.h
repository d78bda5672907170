// Reads a tokenizer's files: tokenizer.json, or vocab.txt with what goes beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/tokenizer.h"
#include "text/wordpiece.h"

namespace bertcnn::text {

struct DecoderOptions {
  std::string prefix = "##";
  bool cleanup = true;
  bool joins_pieces = true;  ///< false for a tokenizer without a decoder: tokens stand apart
};

/// All that a tokenizer's files say.
struct TokenizerDefinition {
  std::vector<std::pair<std::string, int32_t>> vocabulary;  ///< each token once
  WordPieceOptions wordpiece;
  NormalizerOptions normalizer;
  DecoderOptions decoder;
  std::vector<AddedToken> added_tokens;  ///< with their ids; each content once
  int32_t cls_id = 0;
  int32_t sep_id = 0;
  int32_t pad_id = 0;
  std::optional<int32_t> mask_id;
  std::optional<int64_t> model_max_length;
  std::vector<SourceFile> files;
};

/// Reads the files of `directory`; see `Tokenizer::from_directory`.
TokenizerDefinition read_tokenizer(const std::string& directory);

}  // namespace bertcnn::text
