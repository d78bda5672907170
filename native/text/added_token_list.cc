#include "text/added_token_list.h"

#include <algorithm>

namespace bertcnn::text {

AddedTokenList::AddedTokenList(const std::vector<std::pair<std::string, int32_t>>& vocabulary)
    : vocabulary_(vocabulary.begin(), vocabulary.end()) {}

void AddedTokenList::add(AddedToken token) {
  if (token.content.empty()) return;
  const auto [place, is_new] = index_.emplace(token.content, tokens_.size());
  if (!is_new) {
    token.id = tokens_[place->second].id;
    tokens_[place->second] = std::move(token);
    return;
  }
  const auto known = vocabulary_.find(token.content);
  token.id = known != vocabulary_.end() ? known->second : next_id();
  highest_added_ = std::max(highest_added_, token.id);
  tokens_.push_back(std::move(token));
}

int32_t AddedTokenList::next_id() const {
  return std::max(highest_added_ + 1, static_cast<int32_t>(vocabulary_.size()));
}

}  // namespace bertcnn::text
