// The tokenizer gives what Hugging Face's gives: test/fixtures/text, made by
// scripts/fixtures/text.py.
#include <gtest/gtest.h>

#include <string>

#include "text/fixtures.h"
#include "text/tokenizer.h"

namespace bertcnn::text {
namespace {

std::vector<int32_t> integers(const json::Value& values) {
  std::vector<int32_t> found;
  for (const json::Value& value : values.as_array()) {
    found.push_back(static_cast<int32_t>(value.as_integer()));
  }
  return found;
}

EncodeOptions options_of(const json::Value& expected) {
  EncodeOptions options;
  options.add_special_tokens = expected.find("plain") == nullptr;
  if (const json::Value* length = expected.find("max_length")) {
    options.max_length = static_cast<size_t>(length->as_integer());
  }
  if (const json::Value* strategy = expected.find("strategy")) {
    if (strategy->as_string() == "only_first") options.truncation = Truncation::kOnlyFirst;
    if (strategy->as_string() == "only_second") options.truncation = Truncation::kOnlySecond;
  }
  return options;
}

Encoding encode(const Tokenizer& tokenizer, const json::Value& expected,
                const EncodeOptions& options) {
  const std::string& text = expected.find("text")->as_string();
  const json::Value* pair = expected.find("pair");
  if (pair == nullptr) return tokenizer.encode(text, options);
  return tokenizer.encode_pair(text, pair->as_string(), options);
}

std::vector<int32_t> flattened(const std::vector<std::pair<int32_t, int32_t>>& offsets) {
  std::vector<int32_t> flat;
  for (const auto& [start, end] : offsets) {
    flat.push_back(start);
    flat.push_back(end);
  }
  return flat;
}

template <typename Number>
std::string digits(const std::vector<Number>& numbers) {
  std::string text;
  for (const Number number : numbers) text += static_cast<char>('0' + number);
  return text;
}

class HuggingFace : public testing::TestWithParam<const char*> {
 protected:
  HuggingFace() : expected_(*all().find(GetParam())) {}

  static const json::Value& all() {
    static const json::Value value = read_fixture("encodings.json");
    return value;
  }

  const json::Value& expected_;
  const Tokenizer tokenizer_ = Tokenizer::from_directory(fixture_path(GetParam()));
};

TEST_P(HuggingFace, GivesTheSameIdsTypesMasksAndOffsets) {
  for (const json::Value& expected : expected_.find("encodings")->as_array()) {
    SCOPED_TRACE(json::write(expected, 0));
    const Encoding encoding = encode(tokenizer_, expected, options_of(expected));
    EXPECT_EQ(encoding.ids, integers(*expected.find("ids")));
    EXPECT_EQ(flattened(encoding.offsets), integers(*expected.find("offsets")));
    EXPECT_EQ(digits(encoding.type_ids), expected.find("types")->as_string());
    EXPECT_EQ(digits(encoding.special_tokens_mask), expected.find("special")->as_string());
    EXPECT_EQ(encoding.truncated, expected.find("truncated") != nullptr);
  }
}

TEST_P(HuggingFace, GivesTheSameIdsWithoutOffsets) {
  for (const json::Value& expected : expected_.find("encodings")->as_array()) {
    EncodeOptions options = options_of(expected);
    options.offsets = false;
    const Encoding encoding = encode(tokenizer_, expected, options);
    EXPECT_EQ(encoding.ids, integers(*expected.find("ids"))) << json::write(expected, 0);
    EXPECT_TRUE(encoding.offsets.empty());
  }
}

TEST_P(HuggingFace, GivesTheSameTextBack) {
  for (const json::Value& expected : expected_.find("decodings")->as_array()) {
    EXPECT_EQ(tokenizer_.decode(integers(*expected.find("ids")), expected.find("skip")->as_bool()),
              expected.find("text")->as_string())
        << json::write(expected, 0);
  }
}

TEST_P(HuggingFace, HasTheSameVocabularySize) {
  EXPECT_EQ(static_cast<int64_t>(tokenizer_.vocab_size()),
            expected_.find("vocab_size")->as_integer());
}

INSTANTIATE_TEST_SUITE_P(Fixtures, HuggingFace,
                         testing::Values("uncased", "cased", "chinese", "added"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace bertcnn::text
