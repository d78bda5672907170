#include "text/json_fields.h"

#include <utility>

#include "error.h"

namespace bertcnn::text {

std::string describe(const json::Value* value) {
  if (value == nullptr) return "nothing";
  if (value->is_object()) return "an object";
  if (value->is_array()) return "an array";
  const std::string written = json::write(*value, 0);
  return written.size() <= 60 ? written : written.substr(0, 57) + "...";
}

JsonFields::JsonFields(const json::Value& object, std::string where)
    : object_(object), where_(std::move(where)) {
  if (!object.is_object()) {
    fail("ERR_TOKENIZER_FORMAT", where_, " is ", describe(&object), ", expected an object");
  }
}

std::string JsonFields::path(std::string_view name) const {
  // "tokenizer.json" + "model" -> "tokenizer.json: model"; that + "vocab" -> "tokenizer.json:
  // model.vocab"
  const bool is_file = where_.find(": ") == std::string::npos;
  return where_ + (is_file ? ": " : ".") + std::string(name);
}

const json::Value* JsonFields::find(std::string_view name) const {
  const json::Value* member = object_.find(name);
  return member == nullptr || member->is_null() ? nullptr : member;
}

const json::Value& JsonFields::need(std::string_view name, bool (json::Value::*is)() const,
                                    const char* expected) const {
  const json::Value* member = object_.find(name);
  if (member == nullptr || !(member->*is)()) {
    fail("ERR_TOKENIZER_FORMAT", path(name), " is ", describe(member), ", expected ", expected);
  }
  return *member;
}

JsonFields JsonFields::object(std::string_view name) const {
  return {need(name, &json::Value::is_object, "an object"), path(name)};
}

const json::Array& JsonFields::array(std::string_view name) const {
  return need(name, &json::Value::is_array, "an array").as_array();
}

const std::string& JsonFields::text(std::string_view name) const {
  return need(name, &json::Value::is_string, "a string").as_string();
}

bool JsonFields::flag(std::string_view name) const {
  return need(name, &json::Value::is_bool, "true or false").as_bool();
}

bool JsonFields::flag(std::string_view name, bool otherwise) const {
  return find(name) == nullptr ? otherwise : flag(name);
}

int32_t JsonFields::integer(std::string_view name, int64_t most) const {
  return integer_of(name, need(name, &json::Value::is_integer, "an integer"), most);
}

int32_t JsonFields::integer_of(std::string_view name, const json::Value& value,
                               int64_t most) const {
  if (!value.is_integer() || value.as_integer() < 0 || value.as_integer() > most) {
    fail("ERR_TOKENIZER_FORMAT", path(name), " is ", describe(&value),
         ", expected an integer from 0 to ", most);
  }
  return static_cast<int32_t>(value.as_integer());
}

}  // namespace bertcnn::text
