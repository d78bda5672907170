// JSON (RFC 8259) for configurations, tokenizers and safetensors headers: strict, ordered, bounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bertcnn::json {

class Value;
using Array = std::vector<Value>;
/// Members in file order, so that what is read and written back keeps its order. Names are unique.
using Object = std::vector<std::pair<std::string, Value>>;

/// A JSON value. Integers that fit int64 stay integers, every other number is a double.
class Value {
 public:
  Value() = default;  // null
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(static_cast<int64_t>(value)) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return std::holds_alternative<int64_t>(data_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }

  // Each throws std::bad_variant_access where the value is of another type: ask first.
  bool as_bool() const { return std::get<bool>(data_); }
  int64_t as_integer() const { return std::get<int64_t>(data_); }
  double as_number() const;
  const std::string& as_string() const { return std::get<std::string>(data_); }
  const Array& as_array() const { return std::get<Array>(data_); }
  const Object& as_object() const { return std::get<Object>(data_); }
  Array& as_array() { return std::get<Array>(data_); }
  Object& as_object() { return std::get<Object>(data_); }

  /// The member called `name`, or null where this is no object or has no such member.
  const Value* find(std::string_view name) const;
  /// Replaces the member called `name` or appends it; makes an object of null.
  void set(std::string_view name, Value value);
  /// Removes the member called `name`, if there.
  void erase(std::string_view name);

  bool operator==(const Value& other) const = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

/// Parses UTF-8 `text`. Errors (`ERR_INVALID_JSON`) name `source`, line and column. Refuses duplicate
/// member names, broken UTF-8, trailing text and nesting deeper than 128. Accepts `NaN`, `Infinity`
/// and `-Infinity`, which Python's json module writes. A byte order mark at the start is skipped.
Value parse(std::string_view text, std::string_view source);

/// Writes `value` as JSON. `indent` spaces a level (0: on one line). Doubles are written so that they
/// read back equal.
std::string write(const Value& value, int indent = 2);

}  // namespace bertcnn::json
