#include "model/bert_cnn_config.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "error.h"
#include "model/config_fields.h"
#include "model/config_names.h"

namespace bertcnn::model {
namespace {

constexpr int64_t kMostLabels = 1'000'000;  // their names alone would fill the memory else

constexpr Names<Variant, 3> kVariants = {{{"frozen", Variant::frozen},
                                          {"fine-tune", Variant::fine_tune},
                                          {"max-over-time", Variant::max_over_time}}};
constexpr Names<ProblemType, 3> kProblemTypes = {
    {{"single_label_classification", ProblemType::single_label},
     {"multi_label_classification", ProblemType::multi_label},
     {"regression", ProblemType::regression}}};
constexpr Names<Padding, 2> kPaddings = {
    {{"ignore", Padding::ignore}, {"include", Padding::include}}};
constexpr Names<LongText, 2> kLongTexts = {
    {{"truncate", LongText::truncate}, {"window", LongText::window}}};

/// A label's name; transformers takes numbers and the like, too.
std::string label_name(const json::Value& label) {
  return label.is_string() ? label.as_string() : json::write(label, 0);
}

/// id2label in the order of its ids, which must be 0, 1, 2, ..., its names different.
std::optional<std::vector<std::string>> stored_labels(const json::Value& config) {
  const json::Value* id2label = config.find("id2label");
  if (id2label == nullptr || id2label->is_null()) return std::nullopt;
  const auto refuse = [&](const char* why) {
    fail("ERR_INVALID_CONFIG",
         "Expected an object of \"0\", \"1\", ... to different label names for id2label in "
         "config.json but found ",
         json::write(*id2label, 0), ", ", why, "; the options labels or numLabels replace it.");
  };
  if (!id2label->is_object()) refuse("which is no object");
  std::map<std::string_view, const json::Value*> by_id;
  for (const auto& [id, label] : id2label->as_object()) by_id.emplace(id, &label);
  std::vector<std::string> labels;
  std::set<std::string> seen;
  for (size_t i = 0; i < by_id.size(); ++i) {
    const auto label = by_id.find(std::to_string(i));
    if (label == by_id.end()) refuse("which lacks an id");
    labels.push_back(label_name(*label->second));
    if (!seen.insert(labels.back()).second) refuse("where a name occurs twice");
  }
  return labels;
}

std::vector<std::string> default_labels(int64_t count) {
  std::vector<std::string> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back("LABEL_" + std::to_string(i));
  return labels;
}

std::vector<std::string> choose_labels(const json::Value& config, const ConfigOverrides& overrides,
                                       const std::optional<std::string>& stored_problem_type) {
  if (overrides.labels) {
    const auto count = static_cast<int64_t>(overrides.labels->size());
    if (overrides.num_labels && *overrides.num_labels != count) {
      fail("ERR_INVALID_ARGUMENT", "numLabels is ", *overrides.num_labels, " but labels has ",
           count, " names.");
    }
    return *overrides.labels;
  }
  if (overrides.num_labels) {
    if (*overrides.num_labels < 1 || *overrides.num_labels > kMostLabels) {
      fail("ERR_INVALID_ARGUMENT", "Expected an integer from 1 to ", kMostLabels,
           " for numLabels but received ", *overrides.num_labels, ".");
    }
    const json::Value* id2label = config.find("id2label");
    const bool fits = id2label != nullptr && id2label->is_object() &&
                      static_cast<int64_t>(id2label->as_object().size()) == *overrides.num_labels;
    return fits ? *stored_labels(config) : default_labels(*overrides.num_labels);
  }
  if (const auto stored = stored_labels(config)) return *stored;
  if (const auto count =
          ConfigFields(config, "config.json").integer("num_labels", 1, kMostLabels)) {
    return default_labels(*count);
  }
  // As transformers: two labels, unless it is known that a single number is predicted.
  const std::string type = overrides.problem_type.value_or(stored_problem_type.value_or(""));
  return default_labels(type == name_of(ProblemType::regression) ? 1 : 2);
}

/// Refuses what the caller has `given`, or what config.json says.
template <typename... Parts>
[[noreturn]] void refuse(bool given, const Parts&... parts) {
  if (given) fail("ERR_INVALID_ARGUMENT", parts...);
  fail("ERR_INVALID_CONFIG", "config.json: ", parts...);
}

void check_labels(const std::vector<std::string>& labels, bool given) {
  if (labels.empty()) refuse(given, "Expected at least one label.");
  std::set<std::string_view> seen;
  for (const std::string& label : labels) {
    if (!seen.insert(label).second) {
      refuse(given, "Label '", label, "' occurs twice; labels must differ.");
    }
  }
}

void check_head(const BertCnnConfig& config, const ConfigOverrides& overrides) {
  const auto& sizes = config.filter_sizes;
  const bool given = overrides.filter_sizes.has_value();
  if (sizes.empty() || std::any_of(sizes.begin(), sizes.end(), [](int64_t k) { return k < 1; })) {
    refuse(given, "Expected at least one filter size, each 1 or more.");
  }
  if (config.largest_filter() > config.bert.max_position_embeddings) {
    refuse(given, "Filter size ", config.largest_filter(), " is longer than the longest text of ",
           config.bert.max_position_embeddings, " tokens.");
  }
  if (config.num_filters < 1) {
    fail("ERR_INVALID_ARGUMENT", "Expected 1 or more for numFilters but received ",
         config.num_filters, ".");
  }
  if (!(config.dropout >= 0 && config.dropout <= 1)) {
    fail("ERR_INVALID_ARGUMENT", "Expected a number from 0 to 1 for dropout but received ",
         config.dropout, ".");
  }
  if (config.variant == Variant::fine_tune && sizes.size() != 1) {
    refuse(given || overrides.variant, "Variant 'fine-tune' has exactly one filter size, but ",
           sizes.size(), " were given; 'max-over-time' takes several.");
  }
}

void choose_long_text(BertCnnConfig& config, const ConfigOverrides& overrides,
                      const ConfigFields& section) {
  config.long_text = choose(kLongTexts, "longText", overrides.long_text,
                            section.string("long_text"), LongText::truncate);
  const bool windows = config.long_text == LongText::window;
  if (overrides.window_overlap && !windows) {
    fail("ERR_INVALID_ARGUMENT",
         "Option windowOverlap has an effect only with longText: 'window'.");
  }
  if (!windows) return;
  if (config.padding == Padding::include) {
    refuse(overrides.long_text || overrides.padding,
           "longText 'window' is for padding 'ignore': a text of several windows has no padding.");
  }
  const auto stored = section.integer("window_overlap", 0, config.bert.max_position_embeddings);
  config.window_overlap = overrides.window_overlap ? overrides.window_overlap : stored;
  config.window_length = section.integer("window_length", 3, config.bert.max_position_embeddings);
}

void choose_freeze(BertCnnConfig& config, const ConfigOverrides& overrides,
                   const ConfigFields& section) {
  config.freeze = config.variant == Variant::frozen ? "encoder" : "none";
  // What was frozen follows the variant where another one than the stored is asked for.
  const bool same_variant = !overrides.variant || overrides.variant == section.string("variant");
  if (overrides.freeze) {
    config.freeze = *overrides.freeze;
    config.freeze_source = FreezeSource::option;
  } else if (const json::Value* stored = section.any("freeze"); stored && same_variant) {
    config.freeze = read_freeze(*stored);
  }
  check_freeze(config.freeze, config.bert.num_hidden_layers, config.freeze_source);
}

/// What was fitted to other labels than those asked for says nothing of these.
void choose_calibration(BertCnnConfig& config, const ConfigOverrides& overrides,
                        const json::Value& section, const std::optional<std::string>& stored_type) {
  Calibration stored = read_calibration(section);
  const bool other_type = overrides.problem_type && overrides.problem_type != stored_type;
  const bool other_count = (overrides.labels || overrides.num_labels) &&
                           !stored.thresholds.empty() &&
                           static_cast<int64_t>(stored.thresholds.size()) != config.num_labels();
  if (other_type || other_count) return;
  check_calibration(stored, config.problem_type, config.num_labels(),
                    CalibrationSource::config_file);
  config.calibration = std::move(stored);
}

void override_dropout(const char* option, const std::optional<double>& given, double& dropout) {
  if (!given) return;
  if (!(*given >= 0 && *given <= 1)) {
    fail("ERR_INVALID_ARGUMENT", "Expected a number from 0 to 1 for ", option, " but received ",
         *given, ".");
  }
  dropout = *given;
}

/// The options of a head that has weights can't be changed without changing the weights.
void check_same_head(const BertCnnConfig& config, const json::Value& section) {
  const ConfigFields fields(section, "bert_cnn of config.json");
  const auto refuse = [](const char* what) {
    fail("ERR_INVALID_ARGUMENT", "The directory holds a trained head with another ", what,
         " than the one asked for; leave the option out to load it as it is.");
  };
  if (const auto variant = fields.string("variant");
      variant && *variant != name_of(config.variant)) {
    // frozen and max-over-time have the same weights, only trained differently
    const bool single = config.variant == Variant::fine_tune || *variant == "fine-tune";
    if (single) refuse("variant");
  }
  if (const auto sizes = fields.integers("filter_sizes", 1);
      sizes && *sizes != config.filter_sizes) {
    refuse("list of filter sizes");
  }
  if (const auto count = fields.integer("num_filters", 1); count && *count != config.num_filters) {
    refuse("number of filters");
  }
  const HeadConfig stored = HeadConfig::read(fields, {}, config.bert.num_hidden_layers);
  if (stored.activation != config.head.activation) refuse("activation");
  if (stored.pooling != config.head.pooling) refuse("pooling");
  if (stored.layer_norm != config.head.layer_norm) refuse("layer norm");
  if (stored.hidden_layers != config.head.hidden_layers) refuse("number of hidden layers");
  if (stored.layer_combination != config.head.layer_combination) refuse("combination of layers");
}

}  // namespace

const char* name_of(Variant variant) {
  return find_name(kVariants, variant);
}
const char* name_of(ProblemType problem_type) {
  return find_name(kProblemTypes, problem_type);
}
const char* name_of(Padding padding) {
  return find_name(kPaddings, padding);
}
const char* name_of(LongText long_text) {
  return find_name(kLongTexts, long_text);
}

BertCnnConfig BertCnnConfig::from_json(const json::Value& source,
                                       const ConfigOverrides& overrides) {
  BertCnnConfig config;
  config.bert = BertConfig::from_json(source);
  config.source = source;
  const json::Value* section = source.find("bert_cnn");
  config.has_head = section != nullptr && !section->is_null();
  const json::Value empty = json::Object{};
  const ConfigFields fields(config.has_head ? *section : empty, "bert_cnn of config.json");
  const auto stored_type = ConfigFields(source, "config.json").string("problem_type");

  config.variant =
      choose(kVariants, "variant", overrides.variant, fields.string("variant"), Variant::frozen);
  config.padding =
      choose(kPaddings, "padding", overrides.padding, fields.string("padding"), Padding::ignore);
  choose_long_text(config, overrides, fields);
  choose_freeze(config, overrides, fields);
  config.head = HeadConfig::read(fields, overrides.head, config.bert.num_hidden_layers);
  override_dropout("hiddenDropout", overrides.hidden_dropout, config.bert.hidden_dropout_prob);
  override_dropout("attentionDropout", overrides.attention_dropout,
                   config.bert.attention_probs_dropout_prob);

  config.labels = choose_labels(source, overrides, stored_type);
  check_labels(config.labels, overrides.labels.has_value());
  config.problem_type =
      choose(kProblemTypes, "problemType", overrides.problem_type, stored_type,
             config.num_labels() == 1 ? ProblemType::regression : ProblemType::single_label);
  choose_calibration(config, overrides, config.has_head ? *section : empty, stored_type);

  const std::vector<int64_t> default_sizes = config.variant == Variant::fine_tune
                                                 ? std::vector<int64_t>{3}
                                                 : std::vector<int64_t>{3, 4, 5};
  config.filter_sizes =
      overrides.filter_sizes.value_or(fields.integers("filter_sizes", 1).value_or(default_sizes));
  config.num_filters =
      overrides.num_filters.value_or(fields.integer("num_filters", 1).value_or(100));
  config.dropout = overrides.dropout.value_or(fields.number("dropout", 0, 1).value_or(0.5));
  check_head(config, overrides);
  if (config.has_head) check_same_head(config, *section);
  return config;
}

json::Value BertCnnConfig::to_json() const {
  json::Value config = source;
  config.set("architectures", json::Array{json::Value("BertCnn")});
  json::Object id2label;
  json::Object label2id;
  for (size_t i = 0; i < labels.size(); ++i) {
    id2label.emplace_back(std::to_string(i), labels[i]);
    label2id.emplace_back(labels[i], static_cast<int64_t>(i));
  }
  config.set("id2label", std::move(id2label));
  config.set("label2id", std::move(label2id));
  if (config.find("num_labels") != nullptr) config.set("num_labels", num_labels());
  config.set("problem_type", name_of(problem_type));
  json::Array sizes(filter_sizes.begin(), filter_sizes.end());
  json::Object section{{"variant", name_of(variant)}, {"filter_sizes", std::move(sizes)},
                       {"num_filters", num_filters},  {"dropout", dropout},
                       {"padding", name_of(padding)}, {"freeze", model::to_json(freeze)}};
  section.emplace_back("long_text", name_of(long_text));
  if (window_length) section.emplace_back("window_length", *window_length);
  if (window_overlap) section.emplace_back("window_overlap", *window_overlap);
  head.write(section);
  write_calibration(calibration, section);
  config.set("hidden_dropout_prob", bert.hidden_dropout_prob);
  config.set("attention_probs_dropout_prob", bert.attention_probs_dropout_prob);
  config.set("bert_cnn", std::move(section));
  // What is written is float32, whatever was read.
  for (const char* name : {"torch_dtype", "dtype"}) {
    if (config.find(name) != nullptr) config.set(name, "float32");
  }
  return config;
}

int64_t BertCnnConfig::overlap_of(int64_t max_length) const {
  constexpr int64_t kSpecialTokens = 2;
  const int64_t room = max_length - kSpecialTokens;
  if (room < 1) {
    fail("ERR_INVALID_ARGUMENT",
         "Expected 3 or more for maxLength with longText: 'window' but it is ", max_length, ".");
  }
  const int64_t overlap = window_overlap.value_or(room / 4);
  if (overlap < 0 || overlap >= room) {
    fail("ERR_INVALID_ARGUMENT", "Expected an integer from 0 to ", room - 1,
         " for windowOverlap, where a window has ", room, " tokens of a text, but received ",
         overlap, ".");
  }
  return overlap;
}

int64_t BertCnnConfig::largest_filter() const {
  return *std::max_element(filter_sizes.begin(), filter_sizes.end());
}

}  // namespace bertcnn::model
