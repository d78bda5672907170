// Added tokens: strings that are found in a text before it is split into words.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/trie.h"

namespace bertcnn::text {

/// A token beside the WordPiece vocabulary, with the flags of Hugging Face's `AddedToken`.
struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool special = false;      ///< `decode` can leave it out
  bool single_word = false;  ///< counts only where no word character touches it
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
  bool normalized = true;    ///< is looked for in the normalized text, in its own normalized form
  /// What is looked for, and what decoding shows: `content`, normalized where that is asked for.
  std::string form;
};

/// Finds added tokens in a text: the leftmost first, of those the longest. Immutable; refers to the
/// tokens, which must outlive it.
class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;

  /// Looks for the tokens' forms. Of equal forms the first token's counts.
  explicit AddedTokenFinder(std::vector<const AddedToken*> tokens);

  bool empty() const { return tokens_.empty(); }

  /// Calls `rest(first, last)` for the bytes between added tokens and `token(added, first, last)`
  /// for each one found, in order, until one of them returns false. `text` is valid UTF-8.
  template <typename Rest, typename Token>
  void split(std::string_view text, Rest&& rest, Token&& token) const {
    size_t done = 0;
    for (Found found = next(text, 0); found.token != nullptr; found = next(text, found.last)) {
      if (!stands_alone(text, found)) continue;
      const Found wide = with_spaces(text, found, done);
      if (done < wide.first && !rest(done, wide.first)) return;
      if (!token(*wide.token, wide.first, wide.last)) return;
      done = wide.last;
    }
    if (done < text.size()) rest(done, text.size());
  }

 private:
  struct Found {
    const AddedToken* token = nullptr;
    size_t first = 0, last = 0;
  };

  Found next(std::string_view text, size_t from) const;
  size_t next_candidate(std::string_view text, size_t from) const;
  /// False for a `single_word` token that a word character touches.
  static bool stands_alone(std::string_view text, const Found& found);
  /// Widened by the spaces that `lstrip` and `rstrip` take, those before `done` excepted.
  static Found with_spaces(std::string_view text, Found found, size_t done);

  std::vector<const AddedToken*> tokens_;
  Trie trie_;  // form -> index in tokens_
  std::array<bool, 256> starts_{};
  char only_start_ = 0;  // the byte that all forms start with, if it is one
  bool one_start_ = false;
};

}  // namespace bertcnn::text
