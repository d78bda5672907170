#include "text/batch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "error.h"
#include "text/fixtures.h"

namespace bertcnn::text {
namespace {

const std::atomic<bool> kGoOn = false;

class BatchTest : public testing::Test {
 protected:
  BatchEncoding encode(const std::vector<std::string>& texts, const BatchOptions& options,
                       const std::vector<std::string>* pairs = nullptr) const {
    return encode_batch(tokenizer_, texts, pairs, options, kGoOn).value();
  }

  const Tokenizer tokenizer_ = Tokenizer::from_directory(fixture_path("uncased"));
};

/// Enough for many parts, short and long ones among them.
std::vector<std::string> many_texts() {
  std::vector<std::string> texts;
  for (size_t i = 0; i < 3000; ++i) {
    std::string text;
    for (size_t word = 0; word < i * 7 % 40; ++word) text += word % 3 == 0 ? "film " : "wonders ";
    texts.push_back(text + std::to_string(i));
  }
  return texts;
}

void expect_equal(const BatchEncoding& a, const BatchEncoding& b) {
  EXPECT_EQ(a.lengths, b.lengths);
  EXPECT_EQ(a.unpadded_lengths, b.unpadded_lengths);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.type_ids, b.type_ids);
  EXPECT_EQ(a.special_tokens_mask, b.special_tokens_mask);
  EXPECT_EQ(a.offsets, b.offsets);
  EXPECT_EQ(a.truncated, b.truncated);
}

TEST_F(BatchTest, GivesWhatEachTextAloneGives) {
  const std::vector<std::string> texts = many_texts();
  BatchEncoding expected;
  for (const std::string& text : texts) expected.append(tokenizer_.encode(text, {}));
  expect_equal(encode(texts, {}), expected);
}

TEST_F(BatchTest, DoesNotDependOnTheNumberOfThreads) {
  const std::vector<std::string> texts = many_texts();
  const BatchOptions one{.encode = {.max_length = 20}, .pad_to_longest = true};
  BatchOptions several = one;
  several.threads = 7;
  expect_equal(encode(texts, several, &texts), encode(texts, one, &texts));
}

TEST_F(BatchTest, PadsToTheLongest) {
  const BatchEncoding batch = encode({"the film", "", "film"}, {.pad_to_longest = true});
  const int32_t pad = tokenizer_.pad_token_id();
  const int32_t cls = *tokenizer_.token_to_id("[CLS]"), sep = *tokenizer_.token_to_id("[SEP]");
  const int32_t the = *tokenizer_.token_to_id("the"), film = *tokenizer_.token_to_id("film");
  EXPECT_EQ(batch.lengths, (std::vector<int32_t>{4, 4, 4}));
  EXPECT_EQ(batch.unpadded_lengths, (std::vector<int32_t>{4, 2, 3}));
  EXPECT_EQ(batch.ids,
            (std::vector<int32_t>{cls, the, film, sep, cls, sep, pad, pad, cls, film, sep, pad}));
  EXPECT_EQ(batch.special_tokens_mask, (std::vector<uint8_t>{1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1}));
  EXPECT_EQ(batch.type_ids, std::vector<int32_t>(12, 0));
  EXPECT_EQ(batch.offsets.size(), 24);
  EXPECT_EQ(batch.offsets[5], 8);
  EXPECT_EQ(batch.offsets[23], 0);
}

TEST_F(BatchTest, PadsToALengthAndLeavesLongerTextsAsTheyAre) {
  const BatchEncoding batch = encode({"film", "the the the the the"}, {.pad_length = 5});
  EXPECT_EQ(batch.lengths, (std::vector<int32_t>{5, 7}));
  EXPECT_EQ(batch.ids.size(), 12);
}

TEST_F(BatchTest, PadsTextsWithoutAnyToken) {
  const BatchEncoding batch =
      encode({"", ""}, {.encode = {.add_special_tokens = false}, .pad_length = 2});
  EXPECT_EQ(batch.ids, std::vector<int32_t>(4, tokenizer_.pad_token_id()));
  EXPECT_EQ(batch.type_ids.size(), 4);
}

TEST_F(BatchTest, LeavesOutWhatIsNotAskedFor) {
  const BatchEncoding batch =
      encode({"film", ""}, {.encode = {.offsets = false, .type_ids = false}, .pad_length = 3});
  EXPECT_EQ(batch.ids.size(), 6);
  EXPECT_TRUE(batch.offsets.empty());
  EXPECT_TRUE(batch.type_ids.empty());
}

TEST_F(BatchTest, RefusesPaddingBeyondWhatCanBeCounted) {
  try {
    encode({"a", "b"}, {.pad_length = 1 << 30});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_INVALID_ARGUMENT");
  }
}

TEST_F(BatchTest, OfNoTextsIsEmpty) {
  EXPECT_TRUE(encode({}, {.pad_length = 8, .threads = 3}).lengths.empty());
}

TEST_F(BatchTest, GivesNothingOnceItIsStopped) {
  const std::atomic<bool> stopped = true;
  EXPECT_FALSE(encode_batch(tokenizer_, many_texts(), nullptr, {.threads = 2}, stopped));
}

}  // namespace
}  // namespace bertcnn::text
