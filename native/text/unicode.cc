#include "text/unicode.h"

#include <algorithm>
#include <iterator>

namespace bertcnn::text {
namespace {

#include "text/unicode_tables.inc"

// Hangul syllables decompose by arithmetic: section 3.12 of the Unicode standard.
constexpr char32_t kHangulFirst = 0xAC00, kHangulLast = 0xD7A3;
constexpr char32_t kHangulVowels = 21, kHangulTrails = 28;

bool is_hangul_syllable(char32_t c) {
  return c >= kHangulFirst && c <= kHangulLast;
}

Expansion decompose_hangul(char32_t c) {
  const char32_t index = c - kHangulFirst;
  const char32_t lead = 0x1100 + index / (kHangulVowels * kHangulTrails);
  const char32_t vowel = 0x1161 + index / kHangulTrails % kHangulVowels;
  const char32_t trail = index % kHangulTrails;
  if (trail == 0) return {lead, vowel};
  return {lead, vowel, 0x11A7 + trail};
}

/// The place of `c` in a sorted table that has it.
template <size_t size>
size_t place(const char32_t (&table)[size], char32_t c) {
  return static_cast<size_t>(std::lower_bound(std::begin(table), std::end(table), c) - table);
}

template <size_t size>
Expansion look_up(const char32_t (&from)[size], const uint16_t (&start)[size + 1],
                  const char32_t* to, char32_t c) {
  const size_t i = place(from, c);
  return {to + start[i], to + start[i + 1]};
}

}  // namespace

uint16_t properties(char32_t c) {
  const size_t block = std::min<size_t>(c / kBlock, std::size(kIndex) - 1);
  return kKinds[kBlocks[kIndex[block] * kBlock + c % kBlock]];
}

Expansion decomposition(char32_t c) {
  if (is_hangul_syllable(c)) return decompose_hangul(c);
  return look_up(kDecompositionFrom, kDecompositionStart, kDecompositionTo, c);
}

Expansion lower_case(char32_t c) {
  return look_up(kLowerCaseFrom, kLowerCaseStart, kLowerCaseTo, c);
}

uint8_t combining_rank(char32_t c) {
  return kCombiningRank[place(kCombining, c)];
}

}  // namespace bertcnn::text
