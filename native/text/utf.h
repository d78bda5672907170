// Walking UTF-8 and counting in UTF-16 units. Everything but `is_valid` and `replace_invalid`
// expects valid UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bertcnn::text::utf {

constexpr char32_t kReplacement = 0xFFFD;

/// A character and the number of bytes that it takes in UTF-8.
struct Decoded {
  char32_t c;
  uint32_t bytes;
};

constexpr bool is_ascii(char byte) {
  return (static_cast<uint8_t>(byte) & 0x80) == 0;
}
constexpr bool is_continuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

/// UTF-16 units of a character.
constexpr int32_t units(char32_t c) {
  return c < 0x10000 ? 1 : 2;
}

/// The character that starts at `p`.
inline Decoded decode(const char* p) {
  const auto byte = [p](int i) { return static_cast<char32_t>(static_cast<uint8_t>(p[i])); };
  if (byte(0) < 0x80) return {byte(0), 1};
  if (byte(0) < 0xE0) return {(byte(0) & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (byte(0) < 0xF0) {
    return {(byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  }
  return {
      (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
      4};
}

/// The character that ends just before `end`, which is after the start of the text.
inline Decoded decode_before(const char* end) {
  const char* p = end - 1;
  while (is_continuation(*p)) --p;
  return decode(p);
}

/// Writes a character to `p` (room for 4 bytes) and returns the number of bytes.
inline uint32_t encode(char32_t c, char* p) {
  const auto continuation = [c](int shift) {
    return static_cast<char>(0x80 | (c >> shift & 0x3F));
  };
  if (c < 0x80) {
    p[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    p[0] = static_cast<char>(0xC0 | c >> 6);
    p[1] = continuation(0);
    return 2;
  }
  if (c < 0x10000) {
    p[0] = static_cast<char>(0xE0 | c >> 12);
    p[1] = continuation(6);
    p[2] = continuation(0);
    return 3;
  }
  p[0] = static_cast<char>(0xF0 | c >> 18);
  p[1] = continuation(12);
  p[2] = continuation(6);
  p[3] = continuation(0);
  return 4;
}

/// Whether `text` has no byte above 0x7F.
bool is_ascii(std::string_view text);

bool is_valid(std::string_view text);

/// `text` with U+FFFD for each maximal part that is not UTF-8, as the Unicode standard and the
/// WHATWG decoder have it.
std::string replace_invalid(std::string_view text);

/// The number of UTF-16 units of `text`.
int32_t utf16_length(std::string_view text);

/// The number of characters of `text`.
size_t character_count(std::string_view text);

}  // namespace bertcnn::text::utf
