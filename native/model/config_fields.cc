#include "model/config_fields.h"

#include <utility>

#include "error.h"

namespace bertcnn::model {

ConfigFields::ConfigFields(const json::Value& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object()) {
    fail("ERR_INVALID_CONFIG", "Expected an object for ", where_, " but found ",
         json::write(object, 0), ".");
  }
}

const json::Value* ConfigFields::any(const char* name) const {
  const json::Value* value = object_.find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void ConfigFields::refuse(const char* name, const json::Value& value,
                          const std::string& expected) const {
  fail("ERR_INVALID_CONFIG", "Expected ", expected, " for ", name, " in ", where_, " but found ",
       json::write(value, 0), ".");
}

std::optional<int64_t> ConfigFields::integer(const char* name, int64_t least, int64_t most) const {
  const json::Value* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_integer() || value->as_integer() < least || value->as_integer() > most) {
    refuse(name, *value,
           "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value->as_integer();
}

std::optional<double> ConfigFields::number(const char* name, double least, double most) const {
  const json::Value* value = any(name);
  if (value == nullptr) return std::nullopt;
  // Written so that NaN is refused too.
  if (!value->is_number() || !(value->as_number() >= least && value->as_number() <= most)) {
    std::ostringstream expected;
    expected << "a number from " << least << " to " << most;
    refuse(name, *value, expected.str());
  }
  return value->as_number();
}

std::optional<bool> ConfigFields::boolean(const char* name) const {
  const json::Value* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) refuse(name, *value, "true or false");
  return value->as_bool();
}

std::optional<std::string> ConfigFields::string(const char* name) const {
  const json::Value* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse(name, *value, "a string");
  return value->as_string();
}

std::optional<std::vector<int64_t>> ConfigFields::integers(const char* name, int64_t least) const {
  const json::Value* value = any(name);
  if (value == nullptr) return std::nullopt;
  const std::string expected = "a list of integers from " + std::to_string(least);
  if (!value->is_array()) refuse(name, *value, expected);
  std::vector<int64_t> integers;
  for (const json::Value& item : value->as_array()) {
    if (!item.is_integer() || item.as_integer() < least || item.as_integer() > INT32_MAX) {
      refuse(name, *value, expected);
    }
    integers.push_back(item.as_integer());
  }
  return integers;
}

}  // namespace bertcnn::model
