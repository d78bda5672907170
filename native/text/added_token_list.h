// The ids of added tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/added_tokens.h"

namespace bertcnn::text {

/// Gives added tokens their ids as Hugging Face's `tokenizers` does: a token of the vocabulary
/// keeps its id, others are numbered in their order behind the vocabulary, whatever id a file
/// states.
class AddedTokenList {
 public:
  /// Refers to `vocabulary`, which must outlive it.
  explicit AddedTokenList(const std::vector<std::pair<std::string, int32_t>>& vocabulary);

  /// Adds a token. One that was added before takes on the new flags; an empty one is left out.
  void add(AddedToken token);

  bool has(std::string_view content) const { return index_.contains(std::string(content)); }

  std::vector<AddedToken> take() { return std::move(tokens_); }

 private:
  int32_t next_id() const;

  std::unordered_map<std::string_view, int32_t> vocabulary_;
  std::unordered_map<std::string, size_t> index_;  // content -> place in tokens_
  std::vector<AddedToken> tokens_;
  int32_t highest_added_ = -1;
};

}  // namespace bertcnn::text
