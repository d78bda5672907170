#include "model/calibration_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "error.h"
#include "model/bert_cnn_config.h"

namespace bertcnn::model {
namespace {

template <typename... Parts>
[[noreturn]] void refuse(CalibrationSource source, const Parts&... parts) {
  if (source == CalibrationSource::caller) fail("ERR_INVALID_ARGUMENT", parts...);
  fail("ERR_INVALID_CONFIG", "config.json: ", parts...);
}

constexpr const char* kTemperature = "Expected a number above 0 for temperature but ";
constexpr const char* kThresholds =
    "Expected a number between 0 and 1 for each label as thresholds but ";

bool is_set(const json::Value* value) {
  return value != nullptr && !value->is_null();
}

void check_temperature(double temperature, ProblemType problem_type, CalibrationSource source) {
  if (!(std::isfinite(temperature) && temperature > 0)) {
    refuse(source, kTemperature, "received ", temperature, ".");
  }
  if (problem_type == ProblemType::regression) {
    refuse(source, "Expected no temperature for a regression but received ", temperature, ".");
  }
}

void check_thresholds(const std::vector<double>& thresholds, ProblemType problem_type,
                      int64_t labels, CalibrationSource source) {
  if (problem_type != ProblemType::multi_label) {
    refuse(source, "Expected thresholds only for multi_label_classification but received ",
           thresholds.size(), " for ", name_of(problem_type), ".");
  }
  if (static_cast<int64_t>(thresholds.size()) != labels) {
    refuse(source, kThresholds, "received ", thresholds.size(), " for ", labels, " labels.");
  }
  const auto wrong = std::ranges::find_if(
      thresholds, [](double threshold) { return !(threshold > 0 && threshold < 1); });
  if (wrong != thresholds.end()) refuse(source, kThresholds, "received ", *wrong, ".");
}

}  // namespace

Calibration read_calibration(const json::Value& section) {
  constexpr auto kFile = CalibrationSource::config_file;
  Calibration calibration;
  if (const json::Value* stored = section.find("temperature"); is_set(stored)) {
    if (!stored->is_number()) refuse(kFile, kTemperature, "found ", json::write(*stored, 0), ".");
    calibration.temperature = stored->as_number();
  }
  if (const json::Value* stored = section.find("thresholds"); is_set(stored)) {
    const auto refuse_stored = [&] {
      refuse(kFile, kThresholds, "found ", json::write(*stored, 0), ".");
    };
    if (!stored->is_array() || stored->as_array().empty()) refuse_stored();
    for (const json::Value& threshold : stored->as_array()) {
      if (!threshold.is_number()) refuse_stored();
      calibration.thresholds.push_back(threshold.as_number());
    }
  }
  return calibration;
}

void write_calibration(const Calibration& calibration, json::Object& section) {
  if (calibration.temperature) section.emplace_back("temperature", *calibration.temperature);
  if (calibration.thresholds.empty()) return;
  section.emplace_back("thresholds",
                       json::Array(calibration.thresholds.begin(), calibration.thresholds.end()));
}

void check_calibration(const Calibration& calibration, ProblemType problem_type, int64_t labels,
                       CalibrationSource source) {
  if (calibration.temperature) check_temperature(*calibration.temperature, problem_type, source);
  if (!calibration.thresholds.empty()) {
    check_thresholds(calibration.thresholds, problem_type, labels, source);
  }
}

}  // namespace bertcnn::model
