// Every Unicode scalar value is normalized and split as Hugging Face does it, under all settings.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "text/fixtures.h"
#include "text/normalizer.h"
#include "text/utf.h"
#include "text/words.h"

namespace bertcnn::text {
namespace {

/// CRC-32 as zlib has it.
class Crc32 {
 public:
  Crc32() {
    for (uint32_t i = 0; i < table_.size(); ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0);
      table_[i] = value;
    }
  }

  void add(std::string_view bytes) {
    for (const char byte : bytes) {
      state_ = (state_ >> 8) ^ table_[(state_ ^ static_cast<uint8_t>(byte)) & 0xFF];
    }
  }

  int64_t take() {
    const uint32_t sum = ~state_;
    state_ = ~0u;
    return sum;
  }

 private:
  std::array<uint32_t, 256> table_{};
  uint32_t state_ = ~0u;
};

constexpr char32_t kBlock = 0x1000;
constexpr std::string_view kZero("\0", 1);

/// "aXB" for the character X.
std::string between_letters(char32_t c) {
  char bytes[4];
  return "a" + std::string(bytes, utf::encode(c, bytes)) + "B";
}

/// What the script sums for one block of characters: each normalized text, then its words.
int64_t block_sum(const Normalizer& normalizer, char32_t start, Crc32& sum) {
  NormalizedText normalized;
  for (char32_t c = start; c < start + kBlock; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    normalizer.normalize(between_letters(c), 0, true, normalized);
    const std::string_view text = normalized.view();
    sum.add(text);
    sum.add(kZero);
    for_each_word(text, [&](size_t first, size_t last) {
      sum.add(text.substr(first, last - first));
      sum.add(kZero);
      return true;
    });
  }
  return sum.take();
}

TEST(EveryCharacter, BecomesWhatHuggingFaceMakesOfIt) {
  Crc32 sum;
  const json::Value fixture = read_fixture("every_character.json");
  ASSERT_EQ(fixture.as_array().size(), 8u);
  for (const json::Value& settings : fixture.as_array()) {
    NormalizerOptions options;
    options.lowercase = settings.find("lowercase")->as_bool();
    options.strip_accents = settings.find("strip_accents")->as_bool();
    options.handle_chinese_chars = settings.find("handle_chinese_chars")->as_bool();
    const Normalizer normalizer(options);
    const json::Array& expected = settings.find("crc32")->as_array();
    ASSERT_EQ(expected.size(), 0x110000u / kBlock);
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto start = static_cast<char32_t>(i) * kBlock;
      ASSERT_EQ(block_sum(normalizer, start, sum), expected[i].as_integer())
          << "among the 4096 characters from " << i * kBlock << ": lowercase " << options.lowercase
          << ", strip_accents " << options.strip_accents << ", handle_chinese_chars "
          << options.handle_chinese_chars;
    }
  }
}

}  // namespace
}  // namespace bertcnn::text
