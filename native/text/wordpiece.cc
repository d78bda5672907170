#include "text/wordpiece.h"

#include "text/utf.h"

namespace bertcnn::text {
namespace {

Trie trie_of(const std::vector<std::pair<std::string, int32_t>>& vocabulary) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  entries.reserve(vocabulary.size());
  for (const auto& [token, id] : vocabulary) entries.emplace_back(token, id);
  return Trie(std::move(entries));
}

/// Not by the trie, which has no empty token: a vocabulary may have one, and call it the unknown
/// one.
int32_t id_of(const std::string& token,
              const std::vector<std::pair<std::string, int32_t>>& vocabulary) {
  for (const auto& [known, id] : vocabulary) {
    if (known == token) return id;
  }
  return Trie::kNoId;
}

}  // namespace

WordPiece::WordPiece(const std::vector<std::pair<std::string, int32_t>>& vocabulary,
                     const WordPieceOptions& options)
    : trie_(trie_of(vocabulary)),
      continuations_(trie_.node_at(options.continuation_prefix)),
      unknown_id_(id_of(options.unknown_token, vocabulary)),
      max_word_characters_(options.max_word_characters) {}

void WordPiece::append_pieces(std::string_view text, size_t first, size_t last,
                              std::vector<Piece>& pieces) const {
  const size_t before = pieces.size();
  if (append_known(text, first, last, pieces)) return;
  pieces.resize(before);
  pieces.push_back({unknown_id_, static_cast<uint32_t>(first), static_cast<uint32_t>(last)});
}

bool WordPiece::append_known(std::string_view text, size_t first, size_t last,
                             std::vector<Piece>& pieces) const {
  if (is_too_long(text.substr(first, last - first))) return false;
  for (Trie::Node from = Trie::kRoot; first != last; from = continuations_) {
    if (from == Trie::kNowhere) return false;
    const Trie::Match match = trie_.longest_match(text.substr(first, last - first), from);
    if (match.id == Trie::kNoId) return false;
    const size_t end = first + match.length;
    pieces.push_back({match.id, static_cast<uint32_t>(first), static_cast<uint32_t>(end)});
    first = end;
  }
  return true;
}

bool WordPiece::is_too_long(std::string_view word) const {
  return word.size() > max_word_characters_ && utf::character_count(word) > max_word_characters_;
}

}  // namespace bertcnn::text
