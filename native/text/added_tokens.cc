#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"
#include "text/utf.h"

namespace bertcnn::text {
namespace {

bool has(uint16_t property, char32_t c) {
  return (properties(c) & property) != 0;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<const AddedToken*> tokens)
    : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& form = tokens_[i]->form;
    if (form.empty()) continue;  // of accents alone: nothing to look for
    entries.emplace_back(form, static_cast<int32_t>(i));
    only_start_ = form[0];
    starts_[static_cast<uint8_t>(form[0])] = true;
  }
  one_start_ = std::count(starts_.begin(), starts_.end(), true) == 1;
  trie_ = Trie(std::move(entries));
}

AddedTokenFinder::Found AddedTokenFinder::next(std::string_view text, size_t from) const {
  for (size_t at = next_candidate(text, from); at < text.size();
       at = next_candidate(text, at + 1)) {
    const Trie::Match match = trie_.longest_match(text.substr(at));
    if (match.id != Trie::kNoId) {
      return {tokens_[static_cast<size_t>(match.id)], at, at + match.length};
    }
  }
  return {};
}

size_t AddedTokenFinder::next_candidate(std::string_view text, size_t from) const {
  if (empty() || from >= text.size()) return text.size();
  if (one_start_) return std::min(text.find(only_start_, from), text.size());
  while (from < text.size() && !starts_[static_cast<uint8_t>(text[from])]) ++from;
  return from;
}

bool AddedTokenFinder::stands_alone(std::string_view text, const Found& found) {
  if (!found.token->single_word) return true;
  const char* begin = text.data();
  if (found.first > 0 && has(kWord, utf::decode_before(begin + found.first).c)) return false;
  return found.last == text.size() || !has(kWord, utf::decode(begin + found.last).c);
}

AddedTokenFinder::Found AddedTokenFinder::with_spaces(std::string_view text, Found found,
                                                      size_t done) {
  const char* begin = text.data();
  if (found.token->lstrip) {
    while (found.first > done) {
      const utf::Decoded before = utf::decode_before(begin + found.first);
      if (!has(kSpace, before.c)) break;
      found.first -= before.bytes;
    }
    // What an earlier token has taken already stays taken.
    found.first = std::max(found.first, done);
  }
  while (found.token->rstrip && found.last < text.size()) {
    const utf::Decoded after = utf::decode(begin + found.last);
    if (!has(kSpace, after.c)) break;
    found.last += after.bytes;
  }
  return found;
}

}  // namespace bertcnn::text
