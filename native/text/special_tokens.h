// The special and added tokens that stand beside a tokenizer: in tokenizer_config.json,
// special_tokens_map.json and added_tokens.json.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/added_token_list.h"
#include "text/json_fields.h"

namespace bertcnn::text {

/// Reads them as Hugging Face's `from_pretrained` does: where tokenizer_config.json has an
/// `added_tokens_decoder`, the two older files do not count; else special_tokens_map.json wins.
class SpecialTokens {
 public:
  /// Each is an object, empty where there is no such file, and outlives this.
  SpecialTokens(const JsonFields& config, const JsonFields& map, const JsonFields& added);

  /// The token called `name` ("unk_token" and so on), which is `usual` where nothing else is said.
  AddedToken named(const std::string& name, const std::string& usual) const;

  /// Adds all that `list` does not have yet, in the order in which Hugging Face numbers them.
  void add_to(AddedTokenList& list) const;

 private:
  bool has_decoder() const { return config_.find("added_tokens_decoder") != nullptr; }
  std::vector<const JsonFields*> sources() const;
  const json::Value* find(const std::string& name, std::string* where) const;

  void add_numbered(AddedTokenList& list) const;
  void add_named(AddedTokenList& list) const;
  void add_further(AddedTokenList& list) const;

  std::vector<std::pair<int64_t, AddedToken>> decoder_tokens() const;
  std::vector<std::pair<int64_t, AddedToken>> older_tokens() const;

  const JsonFields& config_;
  const JsonFields& map_;
  const JsonFields& added_;
};

}  // namespace bertcnn::text
