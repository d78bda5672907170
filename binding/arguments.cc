#include "arguments.h"

#include <cmath>
#include <cstring>

#include "error.h"

namespace bertcnn::binding {
namespace {

constexpr double kMaxSafeInteger = 9007199254740991;  // 2^53 - 1

/// The value for an error: numbers and booleans as they are, else the type.
std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number:
      return value.ToString().Utf8Value();
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_function:
      return "a function";
    case napi_bigint:
      return "a bigint";
    default:
      return value.IsArray() ? "an array" : "an object";
  }
}

[[noreturn]] void refuse(const char* expected, const std::string& name, const Napi::Value& value) {
  fail("ERR_INVALID_ARGUMENT", "Expected ", expected, " for ", name, " but received ",
       describe(value));
}

/// The typed array as a vector, null where it is one of another type.
template <typename T, typename Element>
std::optional<std::vector<T>> copy_typed_array(const Napi::Value& value,
                                               napi_typedarray_type type) {
  if (!value.IsTypedArray()) return std::nullopt;
  const auto array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != type) return std::nullopt;
  const auto typed = array.As<Napi::TypedArrayOf<Element>>();
  const Element* data = typed.Data();
  return std::vector<T>(data, data + typed.ElementLength());
}

/// An array's elements, each by `convert`. Its length is read once: a getter may change the array.
template <typename T>
std::vector<T> convert_array(const char* expected, const Napi::Value& value,
                             const std::string& name) {
  if (!value.IsArray()) refuse(expected, name, value);
  const auto array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  const std::string element_name = "every element of " + name;
  std::vector<T> result;
  for (uint32_t i = 0; i < length; ++i) {
    // A scope each, or a long array's elements would all be kept alive at once.
    const Napi::HandleScope scope(value.Env());
    const Napi::Value element = array.Get(i);
    result.push_back(convert<T>(element, element_name));
  }
  return result;
}

}  // namespace

template <>
bool convert(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) refuse("a boolean", name, value);
  return value.As<Napi::Boolean>().Value();
}

template <>
double convert(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber()) refuse("a number", name, value);
  return value.As<Napi::Number>().DoubleValue();
}

template <>
int64_t convert(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber()) refuse("an integer", name, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  // NaN fails the second comparison, too.
  if (std::trunc(number) != number || !(std::abs(number) <= kMaxSafeInteger)) {
    refuse("an integer", name, value);
  }
  return static_cast<int64_t>(number);
}

template <>
uint64_t convert(const Napi::Value& value, const std::string& name) {
  const auto number = convert<int64_t>(value, name);
  if (number < 0) refuse("an integer that is not negative", name, value);
  return static_cast<uint64_t>(number);
}

template <>
std::string convert(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) refuse("a string", name, value);
  return value.As<Napi::String>().Utf8Value();
}

template <>
std::vector<int32_t> convert(const Napi::Value& value, const std::string& name) {
  auto numbers = copy_typed_array<int32_t, int32_t>(value, napi_int32_array);
  if (!numbers) refuse("an Int32Array", name, value);
  return *std::move(numbers);
}

template <>
std::vector<std::string> convert(const Napi::Value& value, const std::string& name) {
  return convert_array<std::string>("an array of strings", value, name);
}

template <>
std::vector<double> convert(const Napi::Value& value, const std::string& name) {
  return convert_array<double>("an array of numbers", value, name);
}

template <>
std::vector<int64_t> convert(const Napi::Value& value, const std::string& name) {
  return convert_array<int64_t>("an array of integers", value, name);
}

template <>
engine::Input convert(const Napi::Value& value, const std::string& name) {
  if (value.IsArray()) return convert<std::vector<std::string>>(value, name);
  const Fields fields(value, name);
  engine::TokenBatch batch;
  batch.rows = fields.get<int64_t>("rows");
  batch.length = fields.get<int64_t>("length");
  batch.input_ids = fields.get<std::vector<int32_t>>("inputIds");
  fields.read("attentionMask", batch.attention_mask);
  fields.read("tokenTypeIds", batch.token_type_ids);
  const auto size = static_cast<int64_t>(batch.input_ids.size());
  const bool has_rows = batch.rows == 0
                            ? size == 0
                            : batch.rows > 0 && batch.length > 0 && size % batch.length == 0 &&
                                  size / batch.length == batch.rows;
  if (!has_rows) {
    fail("ERR_INVALID_ARGUMENT", "Expected rows x length ids in ", name, ".inputIds but received ",
         size, " ids for ", batch.rows, " rows of length ", batch.length);
  }
  const auto check_size = [&](const std::vector<int32_t>& values, const char* field) {
    if (values.empty() || values.size() == batch.input_ids.size()) return;
    fail("ERR_INVALID_ARGUMENT", "Expected as many values in ", name, ".", field,
         " as in inputIds, ", size, ", but received ", values.size());
  };
  check_size(batch.attention_mask, "attentionMask");
  check_size(batch.token_type_ids, "tokenTypeIds");
  return batch;
}

template <>
model::Freeze convert(const Napi::Value& value, const std::string& name) {
  if (value.IsString()) return convert<std::string>(value, name);
  if (value.IsNumber()) return convert<int64_t>(value, name);
  return convert<std::vector<std::string>>(value, name);
}

template <>
model::Calibration convert(const Napi::Value& value, const std::string& name) {
  model::Calibration calibration;
  if (value.IsNull()) return calibration;
  const Fields fields(value, name);
  fields.read("temperature", calibration.temperature);
  fields.read("thresholds", calibration.thresholds);
  return calibration;
}

template <>
engine::Threads convert(const Napi::Value& value, const std::string& name) {
  const Fields fields(value, name);
  const auto workers = fields.get<int64_t>("workers");
  const auto per_worker = fields.get<int64_t>("perWorker");
  // Where the system has no room for them, OpenMP ends the process.
  constexpr int64_t kMost = 1024;
  if (workers < 1 || per_worker < 1 || workers > kMost || per_worker > kMost / workers) {
    fail("ERR_INVALID_ARGUMENT", "Expected from 1 to ", kMost, " threads for ", name,
         " but received ", workers, " workers with ", per_worker, " threads each");
  }
  return fields.get<bool>("adaptive") ? engine::Threads::automatic(workers)
                                      : engine::Threads::several(workers, per_worker);
}

template <>
engine::Labels convert(const Napi::Value& value, const std::string& name) {
  if (auto classes = copy_typed_array<int64_t, int32_t>(value, napi_int32_array)) {
    return *std::move(classes);
  }
  auto floats = copy_typed_array<float, float>(value, napi_float32_array);
  if (!floats) refuse("an Int32Array or a Float32Array", name, value);
  return *std::move(floats);
}

Fields::Fields(const Napi::Value& value, std::string name) : name_(std::move(name)) {
  if (!value.IsObject() || value.IsFunction()) refuse("an object", name_, value);
  object_ = value.As<Napi::Object>();
}

}  // namespace bertcnn::binding
