// What turns a model's logits into probabilities and labels that can be relied on.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "json.h"

namespace bertcnn::model {

enum class ProblemType;

/// Fitted to rows that were not trained on. The logits of a prediction are without it.
struct Calibration {
  std::optional<double> temperature;  // divides the logits (Guo et al., 2017)
  std::vector<double> thresholds;  // [labels]: a label is given from this probability on; or empty

  bool is_empty() const { return !temperature && thresholds.empty(); }
  bool operator==(const Calibration& other) const = default;
};

/// Where values came from, for errors: the caller (ERR_INVALID_ARGUMENT), or config.json
/// (ERR_INVALID_CONFIG).
enum class CalibrationSource { caller, config_file };

/// The fields `temperature` and `thresholds` of config.json's `bert_cnn` section.
/// ERR_INVALID_CONFIG: one is of another type.
Calibration read_calibration(const json::Value& section);
/// Adds those of the two fields that are set.
void write_calibration(const Calibration& calibration, json::Object& section);

/// Refuses a temperature that is not above 0 or is of a regression, and thresholds that are not
/// between 0 and 1, one for each of the `labels`, of a multi-label model.
void check_calibration(const Calibration& calibration, ProblemType problem_type, int64_t labels,
                       CalibrationSource source);

}  // namespace bertcnn::model
