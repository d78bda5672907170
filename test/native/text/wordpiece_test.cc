#include "text/wordpiece.h"

#include <gtest/gtest.h>

#include <string>

namespace bertcnn::text {
namespace {

constexpr int32_t kUnknown = 0;

std::vector<Piece> pieces_of(const WordPiece& model, std::string_view text, size_t first = 0) {
  std::vector<Piece> pieces{{99, 0, 0}};  // what is there already stays
  model.append_pieces(text, first, text.size(), pieces);
  EXPECT_EQ(pieces.front().id, 99);
  pieces.erase(pieces.begin());
  return pieces;
}

std::vector<int32_t> ids_of(const WordPiece& model, std::string_view word) {
  std::vector<int32_t> ids;
  for (const Piece& piece : pieces_of(model, word)) ids.push_back(piece.id);
  return ids;
}

using Ids = std::vector<int32_t>;

TEST(WordPiece, TakesTheLongestBeginningThenTheLongestContinuations) {
  const WordPiece model(
      {{"[UNK]", kUnknown}, {"un", 1}, {"##want", 2}, {"##wanted", 3}, {"##w", 4}}, {});
  EXPECT_EQ(ids_of(model, "unwanted"), (Ids{1, 3}));
  EXPECT_EQ(ids_of(model, "unwantw"), (Ids{1, 2, 4}));
}

TEST(WordPiece, SaysWhichBytesEachPieceStandsFor) {
  const WordPiece model({{"[UNK]", kUnknown}, {"é", 1}, {"##t", 2}}, {});
  const auto pieces = pieces_of(model, "xx ét", 3);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].first, 3u);
  EXPECT_EQ(pieces[0].last, 5u);
  EXPECT_EQ(pieces[1].first, 5u);
  EXPECT_EQ(pieces[1].last, 6u);
}

TEST(WordPiece, AWordWithAnUnknownPartIsUnknownAsAWhole) {
  const WordPiece model({{"[UNK]", kUnknown}, {"a", 1}, {"##b", 2}}, {});
  EXPECT_EQ(ids_of(model, "abz"), (Ids{kUnknown}));
  EXPECT_EQ(ids_of(model, "b"), (Ids{kUnknown}));
  const auto pieces = pieces_of(model, "abz");
  EXPECT_EQ(pieces[0].first, 0u);
  EXPECT_EQ(pieces[0].last, 3u);
}

TEST(WordPiece, WithoutContinuationsOnlyWholeWordsAreKnown) {
  const WordPiece model({{"[UNK]", kUnknown}, {"a", 1}}, {});
  EXPECT_EQ(ids_of(model, "a"), (Ids{1}));
  EXPECT_EQ(ids_of(model, "aa"), (Ids{kUnknown}));
}

TEST(WordPiece, AWordOfTooManyCharactersIsUnknown) {
  const WordPiece model({{"[UNK]", kUnknown}, {"é", 1}, {"##é", 2}}, {.max_word_characters = 3});
  EXPECT_EQ(ids_of(model, "ééé"), (Ids{1, 2, 2}));
  EXPECT_EQ(ids_of(model, "éééé"), (Ids{kUnknown}));
}

TEST(WordPiece, TheContinuationPrefixCanBeAnother) {
  const WordPiece model({{"<?>", 5}, {"a", 1}, {"@b", 2}},
                        {.unknown_token = "<?>", .continuation_prefix = "@"});
  EXPECT_EQ(ids_of(model, "ab"), (Ids{1, 2}));
  EXPECT_EQ(ids_of(model, "z"), (Ids{5}));
}

}  // namespace
}  // namespace bertcnn::text
