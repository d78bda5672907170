#include "text/text_encoder.h"

#include <algorithm>
#include <string>

#include "text/utf.h"
#include "text/words.h"

namespace bertcnn::text {
namespace {

class TextEncoder {
 public:
  /// `enough`: stops once there are so many tokens.
  TextEncoder(const TextRules& rules, bool with_offsets, size_t enough, TextTokens& tokens)
      : rules_(rules), with_offsets_(with_offsets), enough_(enough), tokens_(tokens) {}

  void encode(std::string_view text) {
    rules_.raw_finder.split(
        text,
        [&](size_t first, size_t last) {
          const std::string_view rest = text.substr(first, last - first);
          rules_.normalizer.normalize(rest, position(text, first), with_offsets_, normalized_);
          return encode_normalized();
        },
        [&](const AddedToken& token, size_t first, size_t last) {
          const int32_t start = position(text, first);
          return add(token.id, {start, position(text, last)});
        });
  }

 private:
  bool encode_normalized() {
    const std::string_view text = normalized_.view();
    if (rules_.normalized_finder.empty()) return encode_words(0, text.size());
    bool more = true;
    rules_.normalized_finder.split(
        text, [&](size_t first, size_t last) { return more = encode_words(first, last); },
        [&](const AddedToken& token, size_t first, size_t last) {
          return more = add(token.id, span(first, last));
        });
    return more;
  }

  /// The words of the normalized bytes `[first, last)`. False once there are enough tokens.
  bool encode_words(size_t first, size_t last) {
    const std::string_view text = normalized_.view();
    bool more = true;
    for_each_word(text.substr(first, last - first), [&](size_t word_first, size_t word_last) {
      pieces_.clear();
      rules_.wordpiece.append_pieces(text, first + word_first, first + word_last, pieces_);
      for (const Piece& piece : pieces_) more = add(piece.id, span(piece.first, piece.last));
      return more;
    });
    return more;
  }

  bool add(int32_t id, Span span) {
    tokens_.ids.push_back(id);
    if (with_offsets_) tokens_.offsets.emplace_back(span.start, span.end);
    return tokens_.ids.size() < enough_;
  }

  Span span(size_t first, size_t last) const {
    return with_offsets_ ? normalized_.span(first, last) : Span{};
  }

  /// Where byte `at` of the source is, in UTF-16 units. Mostly it is further on than the last one
  /// asked for; but a token that takes the spaces behind it may reach into the next one.
  int32_t position(std::string_view text, size_t at) {
    if (!with_offsets_) return 0;
    const size_t from = std::min(at, reached_);
    const size_t to = std::max(at, reached_);
    const int32_t units = utf::utf16_length(text.substr(from, to - from));
    units_ += at < reached_ ? -units : units;
    reached_ = at;
    return units_;
  }

  const TextRules& rules_;
  const bool with_offsets_;
  const size_t enough_;
  size_t reached_ = 0;  // in the source: the byte that was asked for last,
  int32_t units_ = 0;   // and the UTF-16 units before it
  NormalizedText normalized_;
  std::vector<Piece> pieces_;
  TextTokens& tokens_;
};

}  // namespace

void TextTokens::reserve(size_t bytes, bool with_offsets, size_t enough) {
  constexpr size_t kBytesPerToken = 3;
  const size_t room = std::min(bytes / kBytesPerToken + 8, enough);
  ids.reserve(room);
  if (with_offsets) offsets.reserve(room);
}

void encode_text(const TextRules& rules, std::string_view text, bool with_offsets, size_t enough,
                 TextTokens& tokens) {
  TextEncoder encoder(rules, with_offsets, enough, tokens);
  if (utf::is_valid(text)) {
    encoder.encode(text);
  } else {
    encoder.encode(utf::replace_invalid(text));
  }
}

}  // namespace bertcnn::text
