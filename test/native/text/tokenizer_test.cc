#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "text/fixtures.h"

namespace bertcnn::text {
namespace {

class TokenizerTest : public testing::Test {
 protected:
  std::string tokens_of(const Encoding& encoding) const {
    std::string text;
    for (const int32_t id : encoding.ids) {
      if (!text.empty()) text += ' ';
      text += tokenizer_.id_to_token(id).value();
    }
    return text;
  }

  std::string tokens_of(std::string_view text, const EncodeOptions& options = {}) const {
    return tokens_of(tokenizer_.encode(text, options));
  }

  const Tokenizer tokenizer_ = Tokenizer::from_directory(fixture_path("uncased"));
};

TEST_F(TokenizerTest, EncodesATextBetweenClsAndSep) {
  const Encoding encoding = tokenizer_.encode("Unwatchable film!", {});
  EXPECT_EQ(tokens_of(encoding), "[CLS] un ##w ##a ##t ##c ##h ##able film ! [SEP]");
  EXPECT_EQ(encoding.special_tokens_mask.front(), 1);
  EXPECT_EQ(encoding.special_tokens_mask[1], 0);
  EXPECT_EQ(encoding.offsets[7], (std::pair<int32_t, int32_t>(7, 11)));
  EXPECT_FALSE(encoding.truncated);
}

TEST_F(TokenizerTest, EmptyAndBlankTextsAreTheSpecialTokensAlone) {
  for (const char* text : {"", " ", "\t\n", "\xE3\x80\x80", "\x01", "\xEF\xBF\xBD"}) {
    EXPECT_EQ(tokens_of(text), "[CLS] [SEP]");
  }
}

TEST_F(TokenizerTest, NeverExceedsMaxLength) {
  const std::string twelve = "one two first last one two first last one two first last";
  for (size_t max_length = 0; max_length < 12; ++max_length) {
    for (const Truncation strategy :
         {Truncation::kLongestFirst, Truncation::kOnlyFirst, Truncation::kOnlySecond}) {
      for (const bool special : {true, false}) {
        const EncodeOptions options{
            .add_special_tokens = special, .max_length = max_length, .truncation = strategy};
        for (const Encoding& encoding : {tokenizer_.encode(twelve, options),
                                         tokenizer_.encode_pair(twelve, "last one", options),
                                         tokenizer_.encode_pair("last one", twelve, options)}) {
          EXPECT_EQ(encoding.ids.size(), max_length);
          EXPECT_EQ(encoding.type_ids.size(), max_length);
          EXPECT_EQ(encoding.special_tokens_mask.size(), max_length);
          EXPECT_EQ(encoding.offsets.size(), max_length);
          EXPECT_TRUE(encoding.truncated);
        }
      }
    }
  }
}

TEST_F(TokenizerTest, WhereNotEvenTheSpecialTokensFitTheyAreCutAtTheirEnd) {
  EXPECT_EQ(tokens_of("film", {.max_length = 0}), "");
  EXPECT_EQ(tokens_of("film", {.max_length = 1}), "[CLS]");
  EXPECT_EQ(tokens_of("film", {.max_length = 2}), "[CLS] [SEP]");
  EXPECT_EQ(tokens_of(tokenizer_.encode_pair("film", "film", {.max_length = 2})), "[CLS] [SEP]");
  EXPECT_EQ(tokens_of(tokenizer_.encode_pair("film", "film", {.max_length = 3})),
            "[CLS] [SEP] [SEP]");
}

TEST_F(TokenizerTest, ATextThatFitsExactlyIsNotTruncated) {
  EXPECT_FALSE(tokenizer_.encode("one two", {.max_length = 4}).truncated);
  EXPECT_TRUE(tokenizer_.encode("one two film", {.max_length = 4}).truncated);
  EXPECT_TRUE(tokenizer_.encode("one unwonder", {.max_length = 4}).truncated);
}

TEST_F(TokenizerTest, BytesThatAreNoUtf8CountAsReplacementCharacters) {
  const Encoding encoding = tokenizer_.encode(
      "\xFF"
      "film \xE2\x82 one\xED\xA0\x80",
      {});
  EXPECT_EQ(tokens_of(encoding), "[CLS] film one [SEP]");
  EXPECT_EQ(encoding.offsets[1], (std::pair<int32_t, int32_t>(1, 5)));
  EXPECT_EQ(encoding.offsets[2], (std::pair<int32_t, int32_t>(8, 11)));
}

TEST_F(TokenizerTest, AnyBytesGiveAnEncoding) {
  uint32_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(static_cast<size_t>(i % 40), '\0');
    for (char& byte : bytes) {
      state = state * 1664525 + 1013904223;
      byte = static_cast<char>(state >> 24);
    }
    const Encoding encoding = tokenizer_.encode(bytes, {});
    ASSERT_GE(encoding.ids.size(), 2u);
    for (const auto& [start, end] : encoding.offsets) {
      ASSERT_LE(start, end);
      ASSERT_LE(static_cast<size_t>(end), bytes.size());
    }
  }
}

TEST_F(TokenizerTest, KnowsItsTokens) {
  EXPECT_EQ(tokenizer_.token_to_id("[PAD]"), 0);
  EXPECT_EQ(tokenizer_.id_to_token(tokenizer_.token_to_id("film").value()), "film");
  EXPECT_EQ(tokenizer_.token_to_id("nowhere"), std::nullopt);
  EXPECT_EQ(tokenizer_.token_to_id(""), std::nullopt);
  EXPECT_EQ(tokenizer_.id_to_token(-1), std::nullopt);
  EXPECT_EQ(tokenizer_.id_to_token(static_cast<int32_t>(tokenizer_.vocab_size())), std::nullopt);
}

TEST_F(TokenizerTest, DecodingLeavesOutIdsThatItDoesNotKnow) {
  const int32_t film = tokenizer_.token_to_id("film").value();
  const std::vector<int32_t> ids{-5, film, 1 << 30, film};
  EXPECT_EQ(tokenizer_.decode(ids, true), "film film");
}

TEST_F(TokenizerTest, CopiesShareTheirState) {
  const Tokenizer copy = tokenizer_;
  EXPECT_EQ(&copy.files(), &tokenizer_.files());
}

TEST_F(TokenizerTest, SeveralThreadsCanEncodeAtOnce) {
  const std::string text = "The café, 電影 and unwonderable İstanbul [SEP] of naïve films";
  const Encoding expected = tokenizer_.encode(text, {});
  std::vector<std::thread> threads;
  std::vector<int> different(4, 0);
  for (size_t i = 0; i < different.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 500; ++repeat) {
        const Encoding encoding = tokenizer_.encode(text, {});
        different[i] += encoding.ids != expected.ids || encoding.offsets != expected.offsets;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, std::vector<int>(different.size(), 0));
}

}  // namespace
}  // namespace bertcnn::text
