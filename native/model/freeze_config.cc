#include "model/freeze_config.h"

#include <algorithm>
#include <charconv>

#include "error.h"

namespace bertcnn::model {
namespace {

constexpr std::string_view kEncoder = "bert.";
constexpr std::string_view kPooler = "bert.pooler.";
constexpr std::string_view kEmbeddings = "bert.embeddings.";
constexpr std::string_view kLayers = "bert.encoder.layer.";

constexpr const char* kForms =
    "'encoder', 'embeddings', 'none', a number of layers or patterns of names";

template <typename... Parts>
[[noreturn]] void refuse(FreezeSource source, const Parts&... parts) {
  if (source == FreezeSource::option) fail("ERR_INVALID_ARGUMENT", parts...);
  fail("ERR_INVALID_CONFIG", "config.json: ", parts...);
}

/// Whether all of `name` fits `pattern`.
bool matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  name.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  // Each piece between two stars where it first occurs, which leaves the most for those behind it.
  for (size_t next = pattern.find('*'); next != std::string_view::npos; next = pattern.find('*')) {
    const std::string_view piece = pattern.substr(0, next);
    const size_t found = name.find(piece);
    if (found == std::string_view::npos) return false;
    name.remove_prefix(found + piece.size());
    pattern.remove_prefix(next + 1);
  }
  return name.ends_with(pattern);
}

bool is_frozen_by_word(const std::string& word, const std::string& name) {
  if (word == "encoder") return name.starts_with(kEncoder);
  return word == "embeddings" && name.starts_with(kEmbeddings);
}

bool is_frozen_by_number(int64_t layers, const std::string& name) {
  const std::optional<int64_t> layer = encoder_layer(name);
  return name.starts_with(kEmbeddings) || (layer && *layer < layers);
}

bool is_frozen(const Freeze& freeze, const std::string& name) {
  if (const auto* word = std::get_if<std::string>(&freeze)) return is_frozen_by_word(*word, name);
  if (const auto* layers = std::get_if<int64_t>(&freeze)) return is_frozen_by_number(*layers, name);
  const auto& patterns = std::get<std::vector<std::string>>(freeze);
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, name); });
}

void check_patterns(const std::vector<std::string>& patterns, const std::vector<std::string>& names,
                    FreezeSource source) {
  for (const std::string& pattern : patterns) {
    const auto fits = [&](const std::string& name) { return matches(pattern, name); };
    if (std::any_of(names.begin(), names.end(), fits)) continue;
    refuse(source,
           "Expected the name of a weight, where '*' stands for any characters, for freeze ",
           "but received '", pattern, "', which fits none, such as '", names.front(), "' or '",
           names.back(), "'.");
  }
}

}  // namespace

Freeze read_freeze(const json::Value& value) {
  const auto refuse_value = [&] {
    refuse(FreezeSource::config_file, "Expected ", kForms, " for freeze but found ",
           json::write(value, 0), ".");
  };
  if (value.is_string()) return value.as_string();
  if (value.is_integer()) return value.as_integer();
  if (!value.is_array()) refuse_value();
  std::vector<std::string> patterns;
  for (const json::Value& pattern : value.as_array()) {
    if (!pattern.is_string()) refuse_value();
    patterns.push_back(pattern.as_string());
  }
  return patterns;
}

json::Value to_json(const Freeze& freeze) {
  if (const auto* word = std::get_if<std::string>(&freeze)) return *word;
  if (const auto* layers = std::get_if<int64_t>(&freeze)) return *layers;
  const auto& patterns = std::get<std::vector<std::string>>(freeze);
  return json::Array(patterns.begin(), patterns.end());
}

void check_freeze(const Freeze& freeze, int64_t layers, FreezeSource source) {
  if (const auto* word = std::get_if<std::string>(&freeze)) {
    if (*word == "encoder" || *word == "embeddings" || *word == "none") return;
    refuse(source, "Expected ", kForms, " for freeze but received '", *word, "'.");
  }
  if (const auto* count = std::get_if<int64_t>(&freeze)) {
    if (*count >= 0 && *count <= layers) return;
    refuse(source, "Expected from 0 to ", layers,
           " layers, as many as the encoder has, for freeze ", "but received ", *count, ".");
  }
  if (std::get<std::vector<std::string>>(freeze).empty()) {
    refuse(source, "Expected at least one pattern for freeze but received an empty list.");
  }
}

std::set<std::string> trained_names(const Freeze& freeze, const std::vector<std::string>& names,
                                    int64_t layers, FreezeSource source) {
  check_freeze(freeze, layers, source);
  if (const auto* patterns = std::get_if<std::vector<std::string>>(&freeze)) {
    check_patterns(*patterns, names, source);
  }
  std::set<std::string> trained;
  for (const std::string& name : names) {
    if (!name.starts_with(kPooler) && !is_frozen(freeze, name)) trained.insert(name);
  }
  if (trained.empty()) {
    refuse(source, "Expected something to be left to train, but freeze ",
           json::write(to_json(freeze), 0), " is every weight.");
  }
  return trained;
}

std::optional<int64_t> encoder_layer(std::string_view name) {
  if (!name.starts_with(kLayers)) return std::nullopt;
  int64_t layer = 0;
  std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), layer);
  return layer;
}

int64_t frozen_blocks(const std::set<std::string>& trained, int64_t layers) {
  int64_t blocks = 1 + layers;
  for (const std::string& name : trained) {
    if (name.starts_with(kEmbeddings)) return 0;
    if (const std::optional<int64_t> layer = encoder_layer(name)) {
      blocks = std::min(blocks, 1 + *layer);
    }
  }
  return blocks;
}

}  // namespace bertcnn::model
