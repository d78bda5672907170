#include "json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "error.h"

namespace bertcnn::json {
namespace {

constexpr int max_depth = 128;

bool is_continuation(unsigned char byte) {
  return (byte & 0xC0U) == 0x80U;
}

/// The length of the well-formed UTF-8 sequence at the start of `text` (not empty), or 0. Table 3-7
/// of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF.
size_t utf8_sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    return is_continuation(byte(1)) ? 2 : 0;
  }
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned char low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = first == 0xED ? 0x9F : 0xBF;
    const bool good = byte(1) >= low && byte(1) <= high && is_continuation(byte(2));
    return good ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned char low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xF4 ? 0x8F : 0xBF;
    const bool good =
        byte(1) >= low && byte(1) <= high && is_continuation(byte(2)) && is_continuation(byte(3));
    return good ? 4 : 0;
  }
  return 0;
}

void append_utf8(std::string& out, uint32_t code_point) {
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80U | ((code_point >> shift) & 0x3FU));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0U | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0U | (code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

class Writer {
 public:
  explicit Writer(int indent) : indent_(indent) {}

  void value(const Value& value, int level) {
    if (value.is_null()) {
      out_ += "null";
    } else if (value.is_bool()) {
      out_ += value.as_bool() ? "true" : "false";
    } else if (value.is_integer()) {
      out_ += std::to_string(value.as_integer());
    } else if (value.is_number()) {
      real(value.as_number());
    } else if (value.is_string()) {
      string(value.as_string());
    } else if (value.is_array()) {
      array(value.as_array(), level);
    } else {
      object(value.as_object(), level);
    }
  }

  std::string take() { return std::move(out_); }

 private:
  void real(double number) {
    if (std::isnan(number)) {
      out_ += "NaN";
      return;
    }
    if (std::isinf(number)) {
      out_ += number < 0 ? "-Infinity" : "Infinity";
      return;
    }
    // A whole number too large for int64 reads back as a double either way. Python tells integers
    // from floats, and its tokenizers write 10^30 as an integer, so such numbers keep that form.
    const double magnitude = std::fabs(number);
    const bool large_integer = magnitude >= 0x1p63 && magnitude < 1e32;
    char buffer[64];
    const auto result =
        large_integer ? std::to_chars(buffer, std::end(buffer), number, std::chars_format::fixed)
                      : std::to_chars(buffer, std::end(buffer), number);
    const std::string_view text(buffer, static_cast<size_t>(result.ptr - buffer));
    out_ += text;
    if (!large_integer && text.find_first_of(".e") == std::string_view::npos) {
      out_ += ".0";  // or it would read back as an integer
    }
  }

  void string(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out_ += '"';
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += c;
      } else if (c == '\n') {
        out_ += "\\n";
      } else if (c == '\t') {
        out_ += "\\t";
      } else if (c == '\r') {
        out_ += "\\r";
      } else if (byte < 0x20) {
        out_ += "\\u00";
        out_ += digits[byte >> 4];
        out_ += digits[byte & 0xFU];
      } else {
        out_ += c;
      }
    }
    out_ += '"';
  }

  void array(const Array& elements, int level) {
    out_ += '[';
    bool first = true;
    for (const Value& element : elements) {
      separate(first, level + 1);
      first = false;
      value(element, level + 1);
    }
    close(first, level, ']');
  }

  void object(const Object& members, int level) {
    out_ += '{';
    bool first = true;
    for (const auto& [name, member] : members) {
      separate(first, level + 1);
      first = false;
      string(name);
      out_ += indent_ > 0 ? ": " : ":";
      value(member, level + 1);
    }
    close(first, level, '}');
  }

  void separate(bool first, int level) {
    if (!first) {
      out_ += ',';
    }
    new_line(level);
  }

  void close(bool empty, int level, char bracket) {
    if (!empty) {
      new_line(level);
    }
    out_ += bracket;
  }

  void new_line(int level) {
    if (indent_ > 0) {
      out_ += '\n';
      out_.append(static_cast<size_t>(level) * static_cast<size_t>(indent_), ' ');
    }
  }

  int indent_;
  std::string out_;
};

}  // namespace

double Value::as_number() const {
  return is_integer() ? static_cast<double>(as_integer()) : std::get<double>(data_);
}

const Value* Value::find(std::string_view name) const {
  if (!is_object()) {
    return nullptr;
  }
  for (const auto& [member, value] : as_object()) {
    if (member == name) {
      return &value;
    }
  }
  return nullptr;
}

void Value::set(std::string_view name, Value value) {
  if (is_null()) {
    data_ = Object();
  }
  for (auto& [member, old] : as_object()) {
    if (member == name) {
      old = std::move(value);
      return;
    }
  }
  as_object().emplace_back(name, std::move(value));
}

void Value::erase(std::string_view name) {
  if (is_object()) {
    std::erase_if(as_object(), [&](const auto& member) { return member.first == name; });
  }
}

Reader::Reader(std::string_view text, std::string_view source) : text_(text), source_(source) {
  take("\xEF\xBB\xBF");  // a byte order mark
}

template <typename... Parts>
void Reader::refuse(const Parts&... parts) const {
  refuse_at(position_, parts...);
}

template <typename... Parts>
void Reader::refuse_at(size_t position, const Parts&... parts) const {
  size_t line = 1;
  size_t column = 1;
  for (const char c : text_.substr(0, position)) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else if (!is_continuation(static_cast<unsigned char>(c))) {
      ++column;
    }
  }
  fail("ERR_INVALID_JSON", source_, ", line ", line, ", column ", column, ": ", parts...);
}

void Reader::open_object() {
  expect('{', "an object");
  open();
}

void Reader::open_array() {
  expect('[', "an array");
  open();
}

void Reader::open() {
  if (depth_ == max_depth) {
    --position_;
    refuse("nested deeper than ", max_depth, " levels");
  }
  ++depth_;
  first_ = true;
}

bool Reader::next_member(std::string& name) {
  skip_space();
  const bool first = std::exchange(first_, false);
  if (take("}")) {
    --depth_;
    return false;
  }
  if (!first && !take(",")) {
    refuse("expected ',' or '}' but found ", seen());
  }
  skip_space();
  name_position_ = position_;
  if (peek() != '"') {
    refuse("expected a member's name in double quotes but found ", seen());
  }
  name = string();
  expect(':', "':'");
  return true;
}

bool Reader::next_element() {
  skip_space();
  const bool first = std::exchange(first_, false);
  if (take("]")) {
    --depth_;
    return false;
  }
  if (!first && !take(",")) {
    refuse("expected ',' or ']' but found ", seen());
  }
  return true;
}

void Reader::finish() {
  skip_space();
  if (position_ < text_.size()) {
    refuse("expected the end of the text but found ", seen());
  }
}

int64_t Reader::integer() {
  skip_space();
  const size_t start = position_;
  const Value read = peek() == '-' || (peek() >= '0' && peek() <= '9') ? number() : Value();
  if (!read.is_integer()) {
    refuse_at(start, "expected a whole number of at most 63 bits");
  }
  return read.as_integer();
}

void Reader::expect(char wanted, std::string_view what) {
  skip_space();
  if (peek() != wanted) {
    refuse("expected ", what, " but found ", seen());
  }
  ++position_;
}

/// What stands at the position, for a message.
std::string Reader::seen() const {
  if (position_ >= text_.size()) {
    return "the end of the text";
  }
  const std::string_view rest = text_.substr(position_);
  const size_t length = utf8_sequence_length(rest);
  const auto byte = static_cast<unsigned char>(rest[0]);
  if (length == 0 || byte < 0x20 || byte == 0x7F) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    return std::string("the byte 0x") + digits[byte >> 4] + digits[byte & 0xFU];
  }
  return "'" + std::string(rest.substr(0, length)) + "'";
}

char Reader::peek() const {
  return position_ < text_.size() ? text_[position_] : '\0';
}

void Reader::skip_space() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
      return;
    }
    ++position_;
  }
}

bool Reader::take(std::string_view word) {
  if (!text_.substr(position_).starts_with(word)) {
    return false;
  }
  position_ += word.size();
  return true;
}

Value Reader::value() {
  skip_space();
  switch (peek()) {
    case '{':
      return object();
    case '[':
      return array();
    case '"':
      return string();
    default:
      return word_or_number();
  }
}

Value Reader::word_or_number() {
  if (take("true")) return true;
  if (take("false")) return false;
  if (take("null")) return nullptr;
  if (take("NaN")) return std::nan("");
  if (take("Infinity")) return HUGE_VAL;
  if (take("-Infinity")) return -HUGE_VAL;
  return number();
}

Value Reader::object() {
  Object members;
  std::vector<size_t> places;  // of each name, for the message about a duplicate
  open_object();
  std::string name;
  while (next_member(name)) {
    places.push_back(name_position_);
    Value member = value();
    members.emplace_back(std::move(name), std::move(member));
  }
  refuse_duplicates(members, places);
  return members;
}

/// By sorting: a vocabulary has 10^5 names, and a hash could be attacked.
void Reader::refuse_duplicates(const Object& members, const std::vector<size_t>& places) const {
  std::vector<size_t> order(members.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int compared = members[a].first.compare(members[b].first);
    return compared != 0 ? compared < 0 : a < b;
  });
  const auto same = std::adjacent_find(order.begin(), order.end(), [&](size_t a, size_t b) {
    return members[a].first == members[b].first;
  });
  if (same != order.end()) {
    const size_t second = *(same + 1);
    refuse_at(places[second], "the name \"", members[second].first, "\" appears twice");
  }
}

Value Reader::array() {
  Array elements;
  open_array();
  while (next_element()) {
    elements.push_back(value());
  }
  return elements;
}

std::string Reader::string() {
  expect('"', "a string");
  const size_t start = position_ - 1;
  std::string result;
  while (true) {
    append_plain(result);
    if (position_ >= text_.size()) {
      refuse_at(start, "the string that starts here never ends");
    }
    if (take("\"")) {
      return result;
    }
    if (take("\\")) {
      append_escaped(result);
    } else {
      append_multibyte(result);
    }
  }
}

/// Takes the run of ASCII characters that stand for themselves.
void Reader::append_plain(std::string& out) {
  const size_t start = position_;
  while (position_ < text_.size()) {
    const auto byte = static_cast<unsigned char>(text_[position_]);
    if (byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\') {
      break;
    }
    ++position_;
  }
  out.append(text_, start, position_ - start);
}

void Reader::append_multibyte(std::string& out) {
  const std::string_view rest = text_.substr(position_);
  const size_t length = utf8_sequence_length(rest);
  if (length == 0) {
    refuse("the text is not UTF-8: ", seen());
  }
  if (length == 1) {
    refuse("a control character in a string must be escaped: ", seen());
  }
  out.append(rest, 0, length);
  position_ += length;
}

void Reader::append_escaped(std::string& out) {
  const size_t start = position_ - 1;
  const char c = peek();
  if (position_ >= text_.size()) {
    refuse_at(start, "the string ends inside an escape");
  }
  ++position_;
  switch (c) {
    case '"':
    case '\\':
    case '/':
      out += c;
      return;
    case 'b':
      out += '\b';
      return;
    case 'f':
      out += '\f';
      return;
    case 'n':
      out += '\n';
      return;
    case 'r':
      out += '\r';
      return;
    case 't':
      out += '\t';
      return;
    case 'u':
      append_utf8(out, escaped_code_point(start));
      return;
    default:
      refuse_at(start, "unknown escape in a string");
  }
}

uint32_t Reader::escaped_code_point(size_t start) {
  const uint32_t unit = four_hex_digits();
  if (unit < 0xD800 || unit > 0xDFFF) {
    return unit;
  }
  if (unit <= 0xDBFF && take("\\u")) {
    const uint32_t low = four_hex_digits();
    if (low >= 0xDC00 && low <= 0xDFFF) {
      return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
  }
  refuse_at(start, "an escaped surrogate without its other half, which UTF-8 cannot hold");
}

uint32_t Reader::four_hex_digits() {
  uint32_t unit = 0;
  const std::string_view digits = text_.substr(position_, 4);
  const auto [end, status] =
      std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  if (digits.size() < 4 || status != std::errc() || end != digits.data() + 4) {
    refuse("expected four hexadecimal digits after \\u");
  }
  position_ += 4;
  return unit;
}

size_t Reader::skip_digits() {
  const size_t start = position_;
  while (peek() >= '0' && peek() <= '9') {
    ++position_;
  }
  return position_ - start;
}

Value Reader::number() {
  const size_t start = position_;
  take("-");
  const bool leading_zero = peek() == '0';
  const size_t digits = skip_digits();
  if (digits == 0) {
    refuse("expected a value but found ", seen());
  }
  if (leading_zero && digits > 1) {
    refuse_at(start, "a number must not start with a zero");
  }
  bool integer = true;
  if (take(".")) {
    integer = false;
    if (skip_digits() == 0) {
      refuse("expected a digit after the decimal point but found ", seen());
    }
  }
  if (take("e") || take("E")) {
    integer = false;
    if (!take("+")) {
      take("-");
    }
    if (skip_digits() == 0) {
      refuse("expected a digit in the exponent but found ", seen());
    }
  }
  return converted(start, integer);
}

Value Reader::converted(size_t start, bool integer) const {
  const char* const first = text_.data() + start;
  const char* const last = text_.data() + position_;
  if (int64_t whole = 0; integer && std::from_chars(first, last, whole).ec == std::errc()) {
    return whole;
  }
  double real = 0;
  if (std::from_chars(first, last, real).ec != std::errc()) {
    refuse_at(start, "the number is outside the range of a double");
  }
  return real;
}

Value parse(std::string_view text, std::string_view source) {
  Reader reader(text, source);
  Value result = reader.value();
  reader.finish();
  return result;
}

std::string write(const Value& value, int indent) {
  Writer writer(indent);
  writer.value(value, 0);
  return writer.take();
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_sequence_length(text);
    if (length == 0) {
      return false;
    }
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace bertcnn::json
