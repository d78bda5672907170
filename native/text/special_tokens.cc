#include "text/special_tokens.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "text/tokenizer_json.h"

namespace bertcnn::text {
namespace {

/// The names that transformers knows, in its order, with BERT's tokens; BERT has no first two.
constexpr std::array<std::pair<const char*, const char*>, 7> kNamed{{
    {"bos_token", ""},
    {"eos_token", ""},
    {"unk_token", "[UNK]"},
    {"sep_token", "[SEP]"},
    {"pad_token", "[PAD]"},
    {"cls_token", "[CLS]"},
    {"mask_token", "[MASK]"},
}};

/// A special token, written as a string or as an object.
AddedToken special_token(const json::Value& value, const std::string& where) {
  AddedToken token;
  if (value.is_string()) {
    token.content = value.as_string();
    token.normalized = false;
  } else {
    const JsonFields fields(value, where);
    token = read_added_token(fields);
    token.normalized = fields.flag("normalized", false);
  }
  token.special = true;
  return token;
}

void add_missing(AddedToken token, AddedTokenList& list) {
  if (!list.has(token.content)) list.add(std::move(token));
}

}  // namespace

SpecialTokens::SpecialTokens(const JsonFields& config, const JsonFields& map,
                             const JsonFields& added)
    : config_(config), map_(map), added_(added) {}

std::vector<const JsonFields*> SpecialTokens::sources() const {
  if (has_decoder()) return {&config_};
  return {&map_, &config_};
}

const json::Value* SpecialTokens::find(const std::string& name, std::string* where) const {
  for (const JsonFields* fields : sources()) {
    const json::Value* value = fields->find(name);
    if (value == nullptr) continue;
    *where = fields->path(name);
    return value;
  }
  return nullptr;
}

AddedToken SpecialTokens::named(const std::string& name, const std::string& usual) const {
  std::string where;
  const json::Value* value = find(name, &where);
  return special_token(value == nullptr ? json::Value(usual) : *value, where);
}

void SpecialTokens::add_to(AddedTokenList& list) const {
  add_numbered(list);
  add_named(list);
  add_further(list);
}

/// Tokens that come with an id, by which they are ordered.
void SpecialTokens::add_numbered(AddedTokenList& list) const {
  auto tokens = has_decoder() ? decoder_tokens() : older_tokens();
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, token] : tokens) add_missing(std::move(token), list);
}

/// `added_tokens_decoder` maps ids, written as strings, to tokens.
std::vector<std::pair<int64_t, AddedToken>> SpecialTokens::decoder_tokens() const {
  std::vector<std::pair<int64_t, AddedToken>> tokens;
  const JsonFields decoder = config_.object("added_tokens_decoder");
  for (const auto& [id, token] : decoder.value().as_object()) {
    tokens.emplace_back(std::atoll(id.c_str()),
                        read_added_token(JsonFields(token, decoder.path(id))));
  }
  return tokens;
}

/// added_tokens.json maps tokens to ids.
std::vector<std::pair<int64_t, AddedToken>> SpecialTokens::older_tokens() const {
  std::array<std::string, kNamed.size()> named_tokens;
  std::transform(kNamed.begin(), kNamed.end(), named_tokens.begin(),
                 [&](const auto& entry) { return named(entry.first, entry.second).content; });
  std::vector<std::pair<int64_t, AddedToken>> tokens;
  for (const auto& [content, id] : added_.value().as_object()) {
    AddedToken token;
    token.content = content;
    token.special =
        std::find(named_tokens.begin(), named_tokens.end(), content) != named_tokens.end();
    token.normalized = !token.special;
    tokens.emplace_back(added_.integer_of(content, id, INT32_MAX), std::move(token));
  }
  return tokens;
}

void SpecialTokens::add_named(AddedTokenList& list) const {
  for (const auto& [name, usual] : kNamed) add_missing(named(name, usual), list);
}

/// Lists of further tokens, and those under names that only one model has.
void SpecialTokens::add_further(AddedTokenList& list) const {
  for (const JsonFields* fields : sources()) {
    for (const auto& [name, value] : fields->value().as_object()) {
      const std::string where = fields->path(name);
      if (name == "extra_special_tokens" || name == "additional_special_tokens") {
        if (!value.is_array()) continue;
        for (const json::Value& token : value.as_array()) {
          add_missing(special_token(token, where), list);
        }
      } else if (name.ends_with("_token") && value.is_string()) {
        add_missing(special_token(value, where), list);
      }
    }
  }
}

}  // namespace bertcnn::text
