// WordPiece: a word becomes its longest known beginning, then the longest known continuation, and
// so on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/trie.h"

namespace bertcnn::text {

/// A token and the bytes `[first, last)` of the normalized text that it stands for.
struct Piece {
  int32_t id;
  uint32_t first;
  uint32_t last;
};

struct WordPieceOptions {
  std::string unknown_token = "[UNK]";
  std::string continuation_prefix = "##";
  /// A word of more characters is unknown as a whole.
  size_t max_word_characters = 100;
};

/// The vocabulary of a WordPiece model and its greedy search (Schuster and Nakajima, 2012).
/// Immutable.
class WordPiece {
 public:
  /// `vocabulary`: tokens with their ids, each token once. It has the unknown token.
  WordPiece(const std::vector<std::pair<std::string, int32_t>>& vocabulary,
            const WordPieceOptions& options);

  /// Appends the pieces of the word `text[first, last)`: the unknown token alone where some part of
  /// the word is in no token.
  void append_pieces(std::string_view text, size_t first, size_t last,
                     std::vector<Piece>& pieces) const;

  /// The id of `token`, or `Trie::kNoId`.
  int32_t find(std::string_view token) const { return trie_.find(token); }

 private:
  /// False, with some pieces left in `pieces`, where the word is not known.
  bool append_known(std::string_view text, size_t first, size_t last,
                    std::vector<Piece>& pieces) const;
  bool is_too_long(std::string_view word) const;

  Trie trie_;
  /// Where the continuations begin: they are in the same trie, behind their prefix.
  Trie::Node continuations_;
  int32_t unknown_id_;
  size_t max_word_characters_;
};

}  // namespace bertcnn::text
