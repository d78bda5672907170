#include "text/utf.h"

#include <gtest/gtest.h>

#include <string>

namespace bertcnn::text::utf {
namespace {

constexpr char kFffd[] = "\xEF\xBF\xBD";

std::string fffd(int count) {
  std::string text;
  while (count-- > 0) text += kFffd;
  return text;
}

TEST(Utf, EveryScalarValueSurvivesEncodingAndDecoding) {
  char bytes[4];
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const uint32_t count = encode(c, bytes);
    ASSERT_TRUE(is_valid({bytes, count})) << static_cast<uint32_t>(c);
    ASSERT_EQ(decode(bytes).c, c);
    ASSERT_EQ(decode(bytes).bytes, count);
    ASSERT_EQ(decode_before(bytes + count).c, c);
    ASSERT_EQ(utf16_length({bytes, count}), units(c));
    ASSERT_EQ(character_count({bytes, count}), 1u);
  }
}

TEST(Utf, ReplacesEachMaximalInvalidPartOnce) {
  struct {
    std::string bytes, expected;
  } const cases[] = {
      {"a\x80z", "a" + fffd(1) + "z"},                     // a continuation without a start
      {"a\xC3z", "a" + fffd(1) + "z"},                     // a start without its continuation
      {"\xE2\x82", fffd(1)},                               // a sequence that the end cuts
      {"\xF0\x9F\x98", fffd(1)},                           // the same with four bytes
      {"\xE2\x82\xE2\x82\xAC", fffd(1) + "\xE2\x82\xAC"},  // a cut one before a whole one
      {"\xC0\xAF\xE0\x80\xAF", fffd(5)},                   // overlong forms
      {"\xED\xA0\x80", fffd(3)},                           // a surrogate
      {"\xF4\x90\x80\x80", fffd(4)},                       // beyond U+10FFFF
      {"\xF5\xFF\xFE", fffd(3)},                           // bytes that UTF-8 never has
      {"long enough for words of eight bytes \xFF",
       "long enough for words of eight bytes " + fffd(1)},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_FALSE(is_valid(bytes)) << bytes;
    EXPECT_EQ(replace_invalid(bytes), expected);
    EXPECT_TRUE(is_valid(expected));
  }
}

TEST(Utf, LeavesValidTextAlone) {
  const std::string text = "a é 電 😀";
  EXPECT_TRUE(is_valid(text));
  EXPECT_EQ(replace_invalid(text), text);
  EXPECT_EQ(utf16_length(text), 8);
  EXPECT_EQ(character_count(text), 7u);
}

TEST(Utf, FindsTheOneByteThatIsNotAscii) {
  std::string text(67, 'a');
  EXPECT_TRUE(is_ascii(std::string_view(text)));
  for (char& byte : text) {
    byte = '\x80';
    EXPECT_FALSE(is_ascii(std::string_view(text)));
    byte = 'a';
  }
}

}  // namespace
}  // namespace bertcnn::text::utf
