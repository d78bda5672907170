// Typed access to the members of a JSON object, with errors that say where.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "json.h"

namespace bertcnn::text {

/// An object inside a file. Each accessor throws `ERR_TOKENIZER_FORMAT`, naming the file and the
/// path of the member, where the member is missing or of another type.
class JsonFields {
 public:
  /// `where`: the file and the path so far, such as `tokenizer.json: model`.
  JsonFields(const json::Value& object, std::string where);

  const json::Value& value() const { return object_; }
  const std::string& where() const { return where_; }

  /// The member, or null where it is missing or is null.
  const json::Value* find(std::string_view name) const;

  JsonFields object(std::string_view name) const;
  const json::Array& array(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  bool flag(std::string_view name) const;
  bool flag(std::string_view name, bool otherwise) const;
  /// An integer from 0 to `most`, which fits an int32.
  int32_t integer(std::string_view name, int64_t most) const;

  /// `value`, which belongs to the member `name`, as an integer from 0 to `most`.
  int32_t integer_of(std::string_view name, const json::Value& value, int64_t most) const;

  /// `where` of a member.
  std::string path(std::string_view name) const;

 private:
  const json::Value& need(std::string_view name, bool (json::Value::*is)() const,
                          const char* expected) const;

  const json::Value& object_;
  std::string where_;
};

/// What a JSON value is, for messages: its type, and a short value itself.
std::string describe(const json::Value* value);

}  // namespace bertcnn::text
