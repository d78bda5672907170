// What Hugging Face's BERT tokenizer does with each character; the data are in unicode_tables.inc.
#pragma once

#include <array>
#include <cstdint>

namespace bertcnn::text {

/// Properties of a character, one bit each. The generator of the tables uses the same bits.
enum CharacterProperty : uint16_t {
  kRemoved = 1 << 0,  ///< cleaning drops it: controls, formats, private and unassigned characters
  kSpace = 1 << 1,    ///< separates words; cleaning makes it U+0020 unless it drops it
  kChinese = 1 << 2,  ///< a word of its own: CJK ideographs
  kMark = 1 << 3,     ///< stripping accents drops it
  kPunctuation = 1 << 4,  ///< a word of its own
  kWord = 1 << 5,         ///< an added token with `single_word` does not stand beside it
  kDecomposes = 1 << 6,   ///< has a canonical decomposition
  kLowers = 1 << 7,       ///< lower-casing changes it
  kNonstarter = 1 << 8,   ///< canonical ordering may move it
};

/// The properties of `c`, a Unicode scalar value.
uint16_t properties(char32_t c);

/// What a character becomes: one to four characters.
class Expansion {
 public:
  Expansion(std::initializer_list<char32_t> characters) {
    for (const char32_t c : characters) characters_[size_++] = c;
  }
  Expansion(const char32_t* first, const char32_t* last) {
    while (first != last) characters_[size_++] = *first++;
  }

  const char32_t* begin() const { return characters_.data(); }
  const char32_t* end() const { return characters_.data() + size_; }

 private:
  std::array<char32_t, 4> characters_{};
  uint32_t size_ = 0;
};

/// The full canonical decomposition of a character that is `kDecomposes`.
Expansion decomposition(char32_t c);

/// The lower case of a character that is `kLowers`.
Expansion lower_case(char32_t c);

/// Where canonical ordering puts a character that is `kNonstarter`: lower ranks before higher ones.
uint8_t combining_rank(char32_t c);

}  // namespace bertcnn::text
