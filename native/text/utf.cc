#include "text/utf.h"

#include <algorithm>
#include <cstring>

namespace bertcnn::text::utf {
namespace {

/// What the bytes at a position are: a character, or a maximal part that is none.
struct Scan {
  uint32_t bytes;
  bool valid;
};

/// The bounds of a second byte, which depend on the first: they shut out overlong forms, surrogates
/// and what is beyond U+10FFFF.
struct SecondByte {
  uint8_t low = 0x80, high = 0xBF;
};

SecondByte second_byte_after(uint8_t lead) {
  switch (lead) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {};
  }
}

uint32_t sequence_length(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

Scan scan(const char* p, const char* end) {
  const auto lead = static_cast<uint8_t>(*p);
  const uint32_t length = sequence_length(lead);
  if (length <= 1) return {1, length == 1};
  SecondByte bounds = second_byte_after(lead);
  for (uint32_t i = 1; i < length; ++i) {
    if (p + i == end) return {i, false};
    const auto byte = static_cast<uint8_t>(p[i]);
    if (byte < bounds.low || byte > bounds.high) return {i, false};
    bounds = {};
  }
  return {length, true};
}

}  // namespace

bool is_ascii(std::string_view text) {
  const char* p = text.data();
  const char* end = p + text.size();
  uint64_t all = 0;
  for (; end - p >= 8; p += 8) {
    uint64_t bytes;
    std::memcpy(&bytes, p, 8);
    all |= bytes;
  }
  for (; p != end; ++p) all |= static_cast<uint8_t>(*p);
  return (all & 0x8080808080808080) == 0;
}

bool is_valid(std::string_view text) {
  if (is_ascii(text)) return true;
  const char* end = text.data() + text.size();
  for (const char* p = text.data(); p != end;) {
    const Scan found = scan(p, end);
    if (!found.valid) return false;
    p += found.bytes;
  }
  return true;
}

std::string replace_invalid(std::string_view text) {
  std::string replaced;
  replaced.reserve(text.size());
  const char* end = text.data() + text.size();
  for (const char* p = text.data(); p != end;) {
    const Scan found = scan(p, end);
    if (found.valid) {
      replaced.append(p, found.bytes);
    } else {
      replaced.append("\xEF\xBF\xBD");
    }
    p += found.bytes;
  }
  return replaced;
}

int32_t utf16_length(std::string_view text) {
  int32_t length = 0;
  for (const char byte : text) {
    // Only a 4-byte character takes two units: one is counted at its first byte, one more here.
    length += !is_continuation(byte) + (static_cast<uint8_t>(byte) >= 0xF0);
  }
  return length;
}

size_t character_count(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !is_continuation(byte); }));
}

}  // namespace bertcnn::text::utf
