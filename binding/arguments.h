// JavaScript values to plain values, checked. The facade has checked them for its users already;
// what is checked here keeps any other caller from crashing the process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/requests.h"
#include "engine/threads.h"
#include "javascript.h"
#include "model/calibration_config.h"
#include "model/freeze_config.h"

namespace bertcnn::binding {

/// The value as a `T`. `name` is what an error calls it: ERR_INVALID_ARGUMENT, "Expected X for
/// `name` but received Z". Strings become UTF-8, with U+FFFD for lone surrogates; integers are safe
/// integers.
template <typename T>
T convert(const Napi::Value& value, const std::string& name);

template <>
bool convert(const Napi::Value& value, const std::string& name);
template <>
double convert(const Napi::Value& value, const std::string& name);
template <>
int64_t convert(const Napi::Value& value, const std::string& name);
template <>
uint64_t convert(const Napi::Value& value, const std::string& name);
template <>
std::string convert(const Napi::Value& value, const std::string& name);
/// An `Int32Array`.
template <>
std::vector<int32_t> convert(const Napi::Value& value, const std::string& name);
/// An array of strings.
template <>
std::vector<std::string> convert(const Napi::Value& value, const std::string& name);
/// An array of numbers.
template <>
std::vector<double> convert(const Napi::Value& value, const std::string& name);
/// An array of integers.
template <>
std::vector<int64_t> convert(const Napi::Value& value, const std::string& name);
/// An array of strings, or a token batch.
template <>
engine::Input convert(const Napi::Value& value, const std::string& name);
/// A string, an integer or an array of strings.
template <>
model::Freeze convert(const Napi::Value& value, const std::string& name);
/// `temperature` and `thresholds`, both optional; null is an empty one.
template <>
model::Calibration convert(const Napi::Value& value, const std::string& name);
/// `workers` and `perWorker`, from 1 to 1024 threads together, and `adaptive`.
template <>
engine::Threads convert(const Napi::Value& value, const std::string& name);
/// An `Int32Array` of classes, or a `Float32Array`.
template <>
engine::Labels convert(const Napi::Value& value, const std::string& name);

/// The fields of an object argument.
class Fields {
 public:
  /// ERR_INVALID_ARGUMENT where `value` is not an object.
  Fields(const Napi::Value& value, std::string name);

  /// Where the object has no such field, or `undefined`, `target` keeps its value.
  template <typename T>
  void read(const char* field, T& target) const {
    const Napi::Value value = object_.Get(field);
    if (!value.IsUndefined()) target = convert<T>(value, path(field));
  }
  template <typename T>
  void read(const char* field, std::optional<T>& target) const {
    const Napi::Value value = object_.Get(field);
    if (!value.IsUndefined()) target = convert<T>(value, path(field));
  }
  template <typename T>
  T get(const char* field) const {
    return convert<T>(object_.Get(field), path(field));
  }

 private:
  std::string path(const char* field) const { return name_ + "." + field; }

  Napi::Object object_;
  std::string name_;
};

}  // namespace bertcnn::binding
