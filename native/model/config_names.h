// Enumerations under the names that options and config.json give them.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "error.h"

namespace bertcnn::model {

template <typename Enum, size_t N>
using Names = std::array<std::pair<const char*, Enum>, N>;

template <typename Enum, size_t N>
const char* find_name(const Names<Enum, N>& names, Enum value) {
  return std::find_if(names.begin(), names.end(), [&](auto& n) { return n.second == value; })
      ->first;
}

template <typename Enum, size_t N>
Enum parse(const Names<Enum, N>& names, const std::string& text, const std::string& field,
           const char* code) {
  std::string known;
  for (const auto& [name, value] : names) {
    if (text == name) return value;
    known += (known.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  fail(code, "Expected one of ", known, " for ", field, " but received '", text, "'.");
}

/// What the caller gave, else what config.json says, else `otherwise`. ERR_INVALID_ARGUMENT,
/// ERR_INVALID_CONFIG: a name that is none of them.
template <typename Enum, size_t N>
Enum choose(const Names<Enum, N>& names, const char* field, const std::optional<std::string>& given,
            const std::optional<std::string>& stored, Enum otherwise) {
  if (given) return parse(names, *given, field, "ERR_INVALID_ARGUMENT");
  if (stored) {
    return parse(names, *stored, std::string(field) + " in config.json", "ERR_INVALID_CONFIG");
  }
  return otherwise;
}

}  // namespace bertcnn::model
