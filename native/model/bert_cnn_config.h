// The configuration of a whole classifier: BERT's fields, the labels and the `bert_cnn` section.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "model/bert_config.h"
#include "model/calibration_config.h"
#include "model/freeze_config.h"
#include "model/head_config.h"

namespace bertcnn::model {

enum class Variant { frozen, fine_tune, max_over_time };
enum class ProblemType { single_label, multi_label, regression };
enum class Padding { ignore, include };
enum class LongText { truncate, window };

const char* name_of(Variant variant);
const char* name_of(ProblemType problem_type);
const char* name_of(Padding padding);
const char* name_of(LongText long_text);

/// What a caller sets over the configuration that a directory holds.
struct ConfigOverrides {
  std::optional<std::string> variant;
  std::optional<std::string> problem_type;
  std::optional<std::string> padding;
  std::optional<std::string> long_text;
  std::optional<int64_t> window_overlap;
  std::optional<Freeze> freeze;
  std::optional<std::vector<std::string>> labels;
  std::optional<int64_t> num_labels;
  std::optional<std::vector<int64_t>> filter_sizes;
  std::optional<int64_t> num_filters;
  std::optional<double> dropout;
  std::optional<double> hidden_dropout;
  std::optional<double> attention_dropout;
  HeadOverrides head;
};

/// Everything that decides the arithmetic of a BertCnn.
struct BertCnnConfig {
  BertConfig bert;
  Variant variant = Variant::frozen;
  ProblemType problem_type = ProblemType::single_label;
  Padding padding = Padding::ignore;
  LongText long_text = LongText::truncate;
  std::optional<int64_t> window_overlap;  // tokens, of windows; unset: a quarter of them
  std::optional<int64_t> window_length;   // tokens, special ones included; where it was stored
  Freeze freeze = "encoder";
  FreezeSource freeze_source = FreezeSource::config_file;
  std::vector<int64_t> filter_sizes;
  int64_t num_filters = 100;
  double dropout = 0.5;
  HeadConfig head;
  Calibration calibration;
  std::vector<std::string> labels;
  bool has_head =
      false;           // config.json has a bert_cnn section: the directory holds a head's weights
  json::Value source;  // config.json as read, for the fields that only have to be kept

  /// Reads config.json and applies `overrides`. Precedence: overrides, the `bert_cnn` section, the
  /// variant's defaults. ERR_INVALID_CONFIG, ERR_UNSUPPORTED_CONFIG, ERR_INVALID_ARGUMENT (an
  /// override).
  static BertCnnConfig from_json(const json::Value& config, const ConfigOverrides& overrides);

  /// The config.json to save: the fields as read, with labels, problem type and `bert_cnn` section.
  json::Value to_json() const;

  int64_t num_labels() const { return static_cast<int64_t>(labels.size()); }
  int64_t largest_filter() const;
  /// By how many tokens windows of a text overlap at least, where a window has `max_length` tokens,
  /// two of them special. ERR_INVALID_ARGUMENT: there is no room for so many.
  int64_t overlap_of(int64_t max_length) const;
  /// Whether the convolutions' names have numbers: `convs.0.`, `convs.1.`, ...; or `conv.`
  bool numbers_convolutions() const { return variant != Variant::fine_tune; }
};

}  // namespace bertcnn::model
