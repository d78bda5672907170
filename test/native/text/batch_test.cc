#include "text/batch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "error.h"
#include "text/fixtures.h"
#include "text/packed.h"

namespace bertcnn::text {
namespace {

const std::atomic<bool> kGoOn = false;

/// Packed encodings taken apart again.
struct Unpacked {
  std::vector<std::vector<int32_t>> ids, attention_mask, type_ids, offsets;
  std::vector<std::vector<uint8_t>> special_tokens_mask;
  std::vector<bool> truncated;

  bool operator==(const Unpacked&) const = default;

  const int32_t* take(const int32_t* from) {
    const auto next = [&from](auto& to, int32_t count) {
      to.emplace_back(from, from + count);
      from += count;
    };
    const int32_t tokens = from[0], types = from[1], spans = from[2];
    truncated.push_back(from[3] == 1);
    from += Packed::kHeader;
    next(ids, tokens);
    next(attention_mask, tokens);
    next(type_ids, types);
    next(offsets, spans);
    const auto* bytes = reinterpret_cast<const uint8_t*>(from);
    special_tokens_mask.emplace_back(bytes, bytes + tokens);
    return from + (tokens + 3) / 4;
  }
};

class BatchTest : public testing::Test {
 protected:
  Unpacked encode(const std::vector<std::string>& texts, const BatchOptions& options,
                  const std::vector<std::string>* pairs = nullptr) const {
    Unpacked all;
    const auto parts = encode_batch(tokenizer_, texts, pairs, options, kGoOn);
    for (const PackedEncodings& part : parts.value()) {
      for (const int32_t* at = part.data(); at != part.data() + part.size();) at = all.take(at);
    }
    return all;
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

TEST_F(BatchTest, GivesWhatEachTextAloneGives) {
  const std::vector<std::string> texts = many_texts();
  const Unpacked batch = encode(texts, {});
  ASSERT_EQ(batch.ids.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const Encoding alone = tokenizer_.encode(texts[i], {});
    std::vector<int32_t> offsets;
    for (const auto& [start, end] : alone.offsets) offsets.insert(offsets.end(), {start, end});
    EXPECT_EQ(batch.ids[i], alone.ids);
    EXPECT_EQ(batch.type_ids[i], alone.type_ids);
    EXPECT_EQ(batch.special_tokens_mask[i], alone.special_tokens_mask);
    EXPECT_EQ(batch.offsets[i], offsets);
    EXPECT_EQ(batch.attention_mask[i], std::vector<int32_t>(alone.ids.size(), 1));
  }
}

TEST_F(BatchTest, DoesNotDependOnTheNumberOfThreads) {
  const std::vector<std::string> texts = many_texts();
  const BatchOptions one{.encode = {.max_length = 20}, .pad_to_longest = true};
  BatchOptions several = one;
  several.threads = 7;
  EXPECT_EQ(encode(texts, several, &texts), encode(texts, one, &texts));
}

TEST_F(BatchTest, PadsToTheLongest) {
  const Unpacked batch = encode({"the film", "", "film"}, {.pad_to_longest = true});
  const int32_t pad = tokenizer_.pad_token_id();
  const int32_t cls = *tokenizer_.token_to_id("[CLS]"), sep = *tokenizer_.token_to_id("[SEP]");
  const int32_t the = *tokenizer_.token_to_id("the"), film = *tokenizer_.token_to_id("film");
  using Rows = std::vector<std::vector<int32_t>>;
  EXPECT_EQ(batch.ids, (Rows{{cls, the, film, sep}, {cls, sep, pad, pad}, {cls, film, sep, pad}}));
  EXPECT_EQ(batch.attention_mask, (Rows{{1, 1, 1, 1}, {1, 1, 0, 0}, {1, 1, 1, 0}}));
  EXPECT_EQ(batch.type_ids, Rows(3, {0, 0, 0, 0}));
  EXPECT_EQ(batch.offsets[0], (std::vector<int32_t>{0, 0, 0, 3, 4, 8, 0, 0}));
  EXPECT_EQ(batch.offsets[2], (std::vector<int32_t>{0, 0, 0, 4, 0, 0, 0, 0}));
  EXPECT_EQ(batch.special_tokens_mask[0], (std::vector<uint8_t>{1, 0, 0, 1}));
  EXPECT_EQ(batch.special_tokens_mask[2], (std::vector<uint8_t>{1, 0, 1, 1}));
}

TEST_F(BatchTest, PadsToALengthAndLeavesLongerTextsAsTheyAre) {
  const Unpacked batch = encode({"film", "the the the the the"}, {.pad_length = 5});
  EXPECT_EQ(batch.ids[0].size(), 5);
  EXPECT_EQ(batch.ids[1].size(), 7);
}

TEST_F(BatchTest, PadsTextsWithoutAnyToken) {
  const Unpacked batch =
      encode({"", ""}, {.encode = {.add_special_tokens = false}, .pad_length = 2});
  EXPECT_EQ(batch.ids[1], std::vector<int32_t>(2, tokenizer_.pad_token_id()));
  EXPECT_EQ(batch.type_ids[1], std::vector<int32_t>(2, 0));
}

TEST_F(BatchTest, LeavesOutWhatIsNotAskedFor) {
  const Unpacked batch =
      encode({"film", ""}, {.encode = {.offsets = false, .type_ids = false}, .pad_length = 3});
  EXPECT_EQ(batch.ids[1].size(), 3);
  EXPECT_TRUE(batch.offsets[0].empty());
  EXPECT_TRUE(batch.type_ids[0].empty());
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
  EXPECT_TRUE(encode({}, {.pad_length = 8, .threads = 3}).ids.empty());
}

TEST_F(BatchTest, GivesNothingOnceItIsStopped) {
  const std::atomic<bool> stopped = true;
  EXPECT_FALSE(encode_batch(tokenizer_, many_texts(), nullptr, {.threads = 2}, stopped));
}

}  // namespace
}  // namespace bertcnn::text
