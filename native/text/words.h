// BERT's pre-tokenizer: words are what white space and punctuation separate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/unicode.h"
#include "text/utf.h"

namespace bertcnn::text {

/// How each ASCII character divides a text.
enum class Divides : uint8_t { kNot, kAsSpace, kAsPunctuation };

/// How a character with these properties divides a text.
inline Divides divides(uint16_t kind) {
  if (kind & kSpace) return Divides::kAsSpace;
  return kind & kPunctuation ? Divides::kAsPunctuation : Divides::kNot;
}

/// `divides` of each ASCII character.
const std::array<Divides, 128>& ascii_divides();

/// Calls `word(first, last)` for each word of `text` (valid UTF-8) with its bytes; a punctuation
/// character is a word of its own. Stops where `word` returns false.
template <typename Word>
void for_each_word(std::string_view text, Word&& word) {
  const std::array<Divides, 128>& ascii = ascii_divides();
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    uint32_t bytes = 1;
    Divides how;
    if (utf::is_ascii(text[at])) {
      how = ascii[static_cast<uint8_t>(text[at])];
    } else {
      const utf::Decoded decoded = utf::decode(text.data() + at);
      bytes = decoded.bytes;
      how = divides(properties(decoded.c));
    }
    const size_t next = at + bytes;
    if (how != Divides::kNot) {
      if (start != at && !word(start, at)) return;
      if (how == Divides::kAsPunctuation && !word(at, next)) return;
      start = next;
    }
    at = next;
  }
  if (start != text.size()) word(start, text.size());
}

}  // namespace bertcnn::text
