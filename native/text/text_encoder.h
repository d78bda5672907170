// One text's tokens: added tokens first, then normalizing, then words, then pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/wordpiece.h"

namespace bertcnn::text {

/// What decides a text's tokens.
struct TextRules {
  Normalizer normalizer;
  WordPiece wordpiece;
  AddedTokenFinder raw_finder;         ///< of added tokens as they are written
  AddedTokenFinder normalized_finder;  ///< of those that are looked for after normalizing
};

/// The tokens of a text, without those that are put around it.
struct TextTokens {
  std::vector<int32_t> ids;
  std::vector<std::pair<int32_t, int32_t>> offsets;  ///< in UTF-16 units; empty when not asked for

  /// Makes room for about as many tokens as `bytes` of text give, so that growing seldom costs
  /// anything.
  void reserve(size_t bytes, bool with_offsets, size_t enough);
};

/// Appends the tokens of `text` to `tokens`. Stops early once there are `enough` of them in all.
void encode_text(const TextRules& rules, std::string_view text, bool with_offsets, size_t enough,
                 TextTokens& tokens);

}  // namespace bertcnn::text
