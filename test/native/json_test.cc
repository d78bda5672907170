#include "json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "error.h"

namespace bertcnn::json {
namespace {

/// The message of the error that parsing `text` throws, or "" where it throws none.
std::string refusal(std::string_view text) {
  try {
    parse(text, "config.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_INVALID_JSON");
    return error.what();
  }
  return "";
}

std::string nested(int levels) {
  return std::string(static_cast<size_t>(levels), '[') +
         std::string(static_cast<size_t>(levels), ']');
}

TEST(JsonParse, ReadsEveryKindOfValue) {
  const Value value = parse(R"( {"n": null, "t": true, "f": false, "i": -7, "d": 2.5,
                                 "s": "text", "a": [1, [], {}], "o": {"x": 1}} )",
                            "config.json");
  EXPECT_TRUE(value.find("n")->is_null());
  EXPECT_TRUE(value.find("t")->as_bool());
  EXPECT_FALSE(value.find("f")->as_bool());
  EXPECT_EQ(value.find("i")->as_integer(), -7);
  EXPECT_EQ(value.find("d")->as_number(), 2.5);
  EXPECT_EQ(value.find("s")->as_string(), "text");
  EXPECT_EQ(value.find("a")->as_array().size(), 3U);
  EXPECT_EQ(value.find("o")->find("x")->as_integer(), 1);
  EXPECT_EQ(value.find("missing"), nullptr);
}

TEST(JsonParse, KeepsMembersInFileOrder) {
  const Value value = parse(R"({"b": 1, "a": 2, "c": 3})", "config.json");
  std::string names;
  for (const auto& [name, member] : value.as_object()) {
    names += name;
  }
  EXPECT_EQ(names, "bac");
}

TEST(JsonParse, KeepsIntegersThatFitInt64AndMakesDoublesOfTheRest) {
  EXPECT_EQ(parse("9223372036854775807", "x").as_integer(), INT64_MAX);
  EXPECT_EQ(parse("-9223372036854775808", "x").as_integer(), INT64_MIN);
  EXPECT_FALSE(parse("9223372036854775808", "x").is_integer());
  EXPECT_EQ(parse("1000000000000000019884624838656", "x").as_number(), 1e30);
  EXPECT_FALSE(parse("1.0", "x").is_integer());
  EXPECT_FALSE(parse("1e3", "x").is_integer());
  EXPECT_EQ(parse("1E+3", "x").as_number(), 1000.0);
  EXPECT_EQ(parse("5e-324", "x").as_number(), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(parse("7", "x").as_number(), 7.0);
}

TEST(JsonParse, AcceptsTheNonNumbersThatPythonWrites) {
  EXPECT_TRUE(std::isnan(parse("NaN", "x").as_number()));
  EXPECT_EQ(parse("Infinity", "x").as_number(), HUGE_VAL);
  EXPECT_EQ(parse("[-Infinity]", "x").as_array()[0].as_number(), -HUGE_VAL);
}

TEST(JsonParse, DecodesEscapes) {
  EXPECT_EQ(parse(R"("\"\\\/\b\f\n\r\t")", "x").as_string(), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(parse(R"("\u0041\u00e9\u20AC\ud83d\ude00")", "x").as_string(), "Aé€😀");
  EXPECT_EQ(parse(R"("a\u0000b")", "x").as_string(), std::string("a\0b", 3));
}

TEST(JsonParse, TakesUtf8AsItIsAndSkipsAByteOrderMark) {
  EXPECT_EQ(parse("\xEF\xBB\xBF\"Aé€😀\x7F\"", "x").as_string(), "Aé€😀\x7F");
}

TEST(JsonParse, NamesSourceLineAndColumnOfAnError) {
  EXPECT_EQ(refusal("{\n  \"é\": x\n}"),
            "config.json, line 2, column 8: expected a value but found 'x'");
}

TEST(JsonParse, RefusesWhatIsNotJson) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected a value but found the end of the text"},
      {"  ", "expected a value but found the end of the text"},
      {"nul", "expected a value but found 'n'"},
      {"nullx", "expected the end of the text but found 'x'"},
      {"1 2", "expected the end of the text but found '2'"},
      {"[1", "expected ',' or ']' but found the end of the text"},
      {"[1,]", "expected a value but found ']'"},
      {"[,1]", "expected a value but found ','"},
      {"[1}", "expected ',' or ']' but found '}'"},
      {"{1: 2}", "expected a member's name in double quotes but found '1'"},
      {"{'a': 2}", "expected a member's name in double quotes but found '''"},
      {"{\"a\" 2}", "expected ':' but found '2'"},
      {"{\"a\": 2,}", "expected a member's name in double quotes but found '}'"},
      {"{\"a\": 2 \"b\": 3}", "expected ',' or '}' but found '\"'"},
      {"{\"a\"", "expected ':' but found the end of the text"},
      {"01", "a number must not start with a zero"},
      {"-", "expected a value but found the end of the text"},
      {"+1", "expected a value but found '+'"},
      {".5", "expected a value but found '.'"},
      {"1.", "expected a digit after the decimal point"},
      {"1e", "expected a digit in the exponent"},
      {"1e999", "outside the range of a double"},
      {"-Inf", "expected a value but found 'I'"},
      {"\"abc", "the string that starts here never ends"},
      {"\"abc\\", "the string ends inside an escape"},
      {"\"a\nb\"", "a control character in a string must be escaped: the byte 0x0A"},
      {"\"\\x\"", "unknown escape"},
      {"\"\\u12\"", "four hexadecimal digits"},
      {"\"\\u12g4\"", "four hexadecimal digits"},
      {"\"\\u-123\"", "four hexadecimal digits"},
      {"\"\\ud800\"", "an escaped surrogate without its other half"},
      {"\"\\ud800\\u0041\"", "an escaped surrogate without its other half"},
      {"\"\\udc00\"", "an escaped surrogate without its other half"},
      {"\"\\ud800", "an escaped surrogate without its other half"},
      {"/* no */ 1", "expected a value but found '/'"},
      {std::string("\0", 1), "expected a value but found the byte 0x00"},
  };
  for (const auto& [text, reason] : cases) {
    EXPECT_NE(refusal(text).find(reason), std::string::npos) << text << " gave " << refusal(text);
  }
}

TEST(JsonParse, RefusesBrokenUtf8) {
  const std::vector<std::string> cases = {
      "\x80",              // a continuation byte alone
      "\xC3",              // cut off
      "\xC3(",             // not continued
      "\xC0\xAF",          // overlong
      "\xE0\x80\xAF",      // overlong
      "\xF0\x80\x80\xAF",  // overlong
      "\xED\xA0\x80",      // a surrogate
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xFF",
  };
  for (const std::string& bytes : cases) {
    EXPECT_NE(refusal("\"" + bytes + "\"").find("the text is not UTF-8"), std::string::npos);
    EXPECT_NE(refusal(bytes), "");
  }
}

TEST(JsonParse, RefusesANameThatAppearsTwiceAtItsSecondPlace) {
  EXPECT_EQ(refusal("{\"b\": 1, \"a\": 2, \"b\": 3, \"a\": 4}"),
            "config.json, line 1, column 26: the name \"a\" appears twice");
  EXPECT_EQ(refusal(R"([{"a": {"a": 1}}, {"a": 1}])"), "");
  EXPECT_NE(refusal(R"({"a": 1, "\u0061": 2})"), "") << "names are compared decoded";
}

TEST(JsonParse, RefusesNestingDeeperThan128) {
  EXPECT_EQ(refusal(nested(128)), "");
  EXPECT_NE(refusal(nested(129)).find("nested deeper than 128 levels"), std::string::npos);
  EXPECT_NE(refusal(std::string(100000, '[')).find("nested deeper"), std::string::npos);
  std::string objects;
  for (int i = 0; i < 100000; ++i) {
    objects += "{\"a\":";
  }
  EXPECT_NE(refusal(objects).find("nested deeper"), std::string::npos);
}

TEST(JsonParse, EveryPrefixOfAnObjectIsRefusedAndNoneCrashes) {
  const std::string text = R"({"a": [1, -2.5e3, "\u00e9é", true, null], "b": {"c": {}}})";
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_NE(refusal(text.substr(0, length)), "") << length;
  }
  EXPECT_EQ(refusal(text), "");
}

TEST(JsonValue, SetReplacesOrAppendsAndMakesAnObjectOfNull) {
  Value value;
  value.set("a", 1);
  value.set("b", "x");
  value.set("a", 2.5);
  EXPECT_EQ(write(value, 0), R"({"a":2.5,"b":"x"})");
  value.erase("a");
  value.erase("missing");
  EXPECT_EQ(write(value, 0), R"({"b":"x"})");
  EXPECT_EQ(Value(3).find("a"), nullptr);
  EXPECT_THROW(Value("3").as_number(), std::bad_variant_access);
}

TEST(JsonWrite, IndentsOrStaysOnOneLine) {
  const Value value = parse(R"({"a": [1, "x"], "e": [], "o": {}, "n": {"b": null}})", "x");
  EXPECT_EQ(write(value, 0), R"({"a":[1,"x"],"e":[],"o":{},"n":{"b":null}})");
  EXPECT_EQ(write(value, 2),
            "{\n  \"a\": [\n    1,\n    \"x\"\n  ],\n  \"e\": [],\n  \"o\": {},\n"
            "  \"n\": {\n    \"b\": null\n  }\n}");
}

TEST(JsonWrite, EscapesOnlyWhatMustBe) {
  EXPECT_EQ(write(Value("\"\\/\n\t\r\x01\x1F é"), 0), R"("\"\\/\n\t\r\u0001\u001f é")");
}

TEST(JsonWrite, DoublesReadBackEqualAndStayDoubles) {
  const std::vector<double> numbers = {
      0.0,    -0.0,   1.0,     0.1,         1e-12,   1e22,     1e30,    -1e30,    1e300,
      5e-324, 0x1p63, 1.0 / 3, 123456789.0, -0x1p63, 0x1.fp40, 1.7e308, HUGE_VAL, -HUGE_VAL};
  for (const double number : numbers) {
    const Value read = parse(write(Value(number), 0), "x");
    EXPECT_TRUE(read.is_number());
    EXPECT_EQ(read.as_number(), number) << write(Value(number), 0);
    if (std::fabs(number) != 0x1p63) {
      EXPECT_FALSE(read.is_integer()) << write(Value(number), 0);
    }
  }
  EXPECT_EQ(write(Value(1e-12), 0), "1e-12");
  EXPECT_EQ(write(Value(1.0), 0), "1.0");
  EXPECT_EQ(write(Value(std::nan("")), 0), "NaN");
}

TEST(JsonWrite, KeepsPythonsVeryLargeIntegerAnInteger) {
  const std::string text = "1000000000000000019884624838656";
  EXPECT_EQ(write(parse(text, "tokenizer_config.json"), 0), text);
}

TEST(JsonWrite, WhatIsWrittenReadsBackEqual) {
  const Value value =
      parse(R"({"a": [1, 2.5, "\u0000\ud83d\ude00", true, false, null, [], {}], "b": -3})", "x");
  EXPECT_EQ(parse(write(value, 0), "x"), value);
  EXPECT_EQ(parse(write(value, 4), "x"), value);
}

TEST(JsonReader, ReadsPieceByPiece) {
  Reader reader(R"({"shape": [2, 3], "dtype": "F32", "other": {"x": [1.5]}})", "header");
  std::string name;
  std::vector<int64_t> shape;
  std::string dtype;
  reader.open_object();
  while (reader.next_member(name)) {
    if (name == "shape") {
      reader.open_array();
      while (reader.next_element()) {
        shape.push_back(reader.integer());
      }
    } else if (name == "dtype") {
      dtype = reader.string();
    } else {
      EXPECT_EQ(write(reader.value(), 0), R"({"x":[1.5]})");
    }
  }
  reader.finish();
  EXPECT_EQ(shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(dtype, "F32");
}

TEST(JsonReader, RefusesAnotherKindOfValueThanAsked) {
  EXPECT_THROW(Reader("[1]", "x").open_object(), Error);
  EXPECT_THROW(Reader("{}", "x").open_array(), Error);
  EXPECT_THROW(Reader("1", "x").string(), Error);
  for (const std::string_view text : {"1.5", "1e2", "9223372036854775808", "\"1\"", "true", ""}) {
    EXPECT_THROW(Reader(text, "x").integer(), Error) << text;
  }
  EXPECT_EQ(Reader(" -12 ", "x").integer(), -12);
  Reader trailing("1 x", "x");
  trailing.integer();
  EXPECT_THROW(trailing.finish(), Error);
}

}  // namespace
}  // namespace bertcnn::json
