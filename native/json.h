// JSON (RFC 8259) for configurations, tokenizers and safetensors headers: strict, ordered, bounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "variant.h"

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
  Variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

/// Parses UTF-8 `text`. Errors (`ERR_INVALID_JSON`) name `source`, line and column. Refuses
/// duplicate member names, broken UTF-8, trailing text and nesting deeper than 128. Accepts `NaN`,
/// `Infinity` and `-Infinity`, which Python's json module writes. A byte order mark at the start is
/// skipped.
Value parse(std::string_view text, std::string_view source);

/// Reads a JSON text piece by piece, for files whose tree would take many times the memory of the
/// text. Same language and errors as `parse`, save that a name appearing twice is the caller's to
/// notice.
///
///     reader.open_object();
///     std::string name;
///     while (reader.next_member(name)) reader.value();
///     reader.finish();
class Reader {
 public:
  Reader(std::string_view text, std::string_view source);

  /// Takes '{'; then `next_member` reads a name, whose value must be read next, until '}' (false).
  void open_object();
  bool next_member(std::string& name);
  /// Takes '['; then `next_element` says whether another value follows.
  void open_array();
  bool next_element();
  std::string string();
  /// A number without fraction or exponent that fits int64.
  int64_t integer();
  /// Any value, as a tree. Here a name appearing twice is refused.
  Value value();
  /// Nothing may follow but white space.
  void finish();

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const;
  template <typename... Parts>
  [[noreturn]] void refuse_at(size_t position, const Parts&... parts) const;
  void expect(char wanted, std::string_view what);
  void open();
  std::string seen() const;
  char peek() const;
  bool take(std::string_view word);
  void skip_space();
  Value word_or_number();
  Value object();
  Value array();
  void refuse_duplicates(const Object& members, const std::vector<size_t>& places) const;
  void append_plain(std::string& out);
  void append_multibyte(std::string& out);
  void append_escaped(std::string& out);
  uint32_t escaped_code_point(size_t start);
  uint32_t four_hex_digits();
  size_t skip_digits();
  Value number();
  Value converted(size_t start, bool integer) const;

  std::string_view text_;
  std::string source_;
  size_t position_ = 0;
  size_t name_position_ = 0;  // of the last member's name
  int depth_ = 0;
  bool first_ = true;  // an object or array was just opened
};

/// Writes `value` as JSON. `indent` spaces a level (0: on one line). Doubles are written so that
/// they read back equal.
std::string write(const Value& value, int indent = 2);

/// Whether `text` is well-formed UTF-8. `write` copies strings as they are, so ask before writing
/// one from a source that does not promise it.
bool is_utf8(std::string_view text);

}  // namespace bertcnn::json
