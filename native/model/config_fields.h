// Reading typed fields out of a JSON object, with errors that name the field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json.h"

namespace bertcnn::model {

/// The fields of `object`, named `where` in errors. Each getter gives nothing for a missing or null
/// field and throws ERR_INVALID_CONFIG for one of another type or out of its bounds.
class ConfigFields {
 public:
  ConfigFields(const json::Value& object, std::string where);

  std::optional<int64_t> integer(const char* name, int64_t least, int64_t most = INT32_MAX) const;
  std::optional<double> number(const char* name, double least, double most) const;
  std::optional<bool> boolean(const char* name) const;
  std::optional<std::string> string(const char* name) const;
  std::optional<std::vector<int64_t>> integers(const char* name, int64_t least) const;
  const json::Value* any(const char* name) const;

 private:
  [[noreturn]] void refuse(const char* name, const json::Value& value,
                           const std::string& expected) const;

  const json::Value& object_;
  std::string where_;
};

}  // namespace bertcnn::model
