#include <gtest/gtest.h>

#include "error.h"
#include "failure.h"
#include "model/bert_cnn_config.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

/// The code and message that reading `text` with `overrides` fails with, or an empty string.
std::string failure(const std::string& text, const ConfigOverrides& overrides = {}) {
  try {
    BertCnnConfig::from_json(json::parse(text, "test"), overrides);
  } catch (const Error& error) {
    return error.code() + " " + error.what();
  }
  return "";
}

BertCnnConfig read(const std::string& text, const ConfigOverrides& overrides = {}) {
  return BertCnnConfig::from_json(json::parse(text, "test"), overrides);
}

TEST(Config, HasTheDefaultsOfTheDesignsTable) {
  const BertCnnConfig frozen = read("{}");
  EXPECT_EQ(frozen.variant, Variant::frozen);
  EXPECT_EQ(frozen.freeze, Freeze("encoder"));
  EXPECT_EQ(frozen.padding, Padding::ignore);
  EXPECT_EQ(frozen.filter_sizes, (std::vector<int64_t>{3, 4, 5}));
  EXPECT_EQ(frozen.num_filters, 100);
  EXPECT_EQ(frozen.dropout, 0.5);
  EXPECT_EQ(frozen.labels, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
  EXPECT_EQ(frozen.problem_type, ProblemType::single_label);
  const BertCnnConfig fine_tune = read("{}", {.variant = "fine-tune"});
  EXPECT_EQ(fine_tune.freeze, Freeze("none"));
  EXPECT_EQ(fine_tune.filter_sizes, (std::vector<int64_t>{3}));
  EXPECT_EQ(read("{}", {.variant = "max-over-time"}).filter_sizes, frozen.filter_sizes);
}

TEST(Config, PredictsOneNumberForRegression) {
  EXPECT_EQ(read("{}", {.problem_type = "regression"}).num_labels(), 1);
  EXPECT_EQ(read("{}", {.num_labels = 1}).problem_type, ProblemType::regression);
}

TEST(Config, RefusesArithmeticThatItDoesNotDo) {
  for (const char* text :
       {R"({"model_type": "roberta"})", R"({"position_embedding_type": "relative_key"})",
        R"({"is_decoder": true})", R"({"add_cross_attention": true})",
        R"({"pruned_heads": {"0": [1]}})", R"({"quantization_config": {"bits": 4}})",
        R"({"hidden_act": "mish"})"}) {
    EXPECT_TRUE(failure(text).starts_with("ERR_UNSUPPORTED_CONFIG")) << text << failure(text);
  }
  EXPECT_EQ(failure(R"({"pruned_heads": {}, "use_cache": true, "is_decoder": false,
                        "position_embedding_type": "absolute", "hidden_act": "gelu_10"})"),
            "");
}

TEST(Config, NamesTheFieldThatCannotBe) {
  const auto names = [](const char* text, const char* name) {
    const std::string error = failure(text);
    return error.starts_with("ERR_INVALID_CONFIG") && error.find(name) != std::string::npos;
  };
  EXPECT_TRUE(names(R"({"hidden_size": "768"})", "hidden_size"));
  EXPECT_TRUE(names(R"({"hidden_size": 0})", "hidden_size"));
  EXPECT_TRUE(names(R"({"hidden_size": 10, "num_attention_heads": 3})", "num_attention_heads"));
  EXPECT_TRUE(names(R"({"layer_norm_eps": -1})", "layer_norm_eps"));
  EXPECT_TRUE(names(R"({"hidden_dropout_prob": NaN})", "hidden_dropout_prob"));
  EXPECT_TRUE(names(R"({"vocab_size": 5, "pad_token_id": 5})", "pad_token_id"));
  EXPECT_TRUE(names(R"({"id2label": {"0": "a", "2": "b"}})", "id2label"));
  EXPECT_TRUE(names(R"({"bert_cnn": {"variant": "other"}})", "variant"));
  EXPECT_TRUE(names(R"({"bert_cnn": []})", "bert_cnn"));
  EXPECT_TRUE(names(R"([])", "config.json"));
}

TEST(Config, TellsAFaultOfTheFileFromOneOfTheCaller) {
  for (const char* text :
       {R"({"bert_cnn": {"filter_sizes": []}})", R"({"bert_cnn": {"filter_sizes": [513]}})",
        R"({"max_position_embeddings": 2})", R"({"id2label": {}})",
        R"({"bert_cnn": {"variant": "fine-tune", "filter_sizes": [3, 4]}})",
        R"({"problem_type": "other"})"}) {
    const std::string error = failure(text);
    EXPECT_TRUE(error.starts_with("ERR_INVALID_CONFIG")) << error;
    EXPECT_NE(error.find("config.json"), std::string::npos) << error;
  }
}

TEST(Config, RefusesOptionsThatCannotBe) {
  for (const ConfigOverrides& overrides : std::vector<ConfigOverrides>{
           {.variant = "other"},
           {.problem_type = "classification"},
           {.padding = "max_length"},
           {.freeze = "all"},
           {.freeze = 13},
           {.freeze = -1},
           {.freeze = std::vector<std::string>{}},
           {.labels = std::vector<std::string>{}},
           {.labels = std::vector<std::string>{"a", "a"}},
           {.labels = std::vector<std::string>{"a"}, .num_labels = 2},
           {.filter_sizes = std::vector<int64_t>{}},
           {.filter_sizes = std::vector<int64_t>{0}},
           {.filter_sizes = std::vector<int64_t>{513}},
           {.variant = "fine-tune", .filter_sizes = std::vector<int64_t>{3, 4}},
           {.num_filters = 0},
           {.dropout = 1.5}}) {
    EXPECT_TRUE(failure("{}", overrides).starts_with("ERR_INVALID_ARGUMENT"));
  }
}

TEST(Config, SurvivesWritingAndReading) {
  const std::string source = R"({"model_type": "bert", "hidden_size": 24, "num_attention_heads": 2,
      "torch_dtype": "float16", "unknown_field": {"kept": [1, 2.5, null]}})";
  const BertCnnConfig first =
      read(source, {.variant = "max-over-time",
                    .problem_type = "multi_label_classification",
                    .padding = "include",
                    .labels = std::vector<std::string>{"spam", "\u00fc", "ham"},
                    .filter_sizes = std::vector<int64_t>{2, 7},
                    .num_filters = 9,
                    .dropout = 0.25});
  const BertCnnConfig second = read(json::write(first.to_json()));
  EXPECT_TRUE(second.has_head);
  EXPECT_EQ(second.variant, first.variant);
  EXPECT_EQ(second.freeze, Freeze("none"));
  EXPECT_EQ(second.padding, Padding::include);
  EXPECT_EQ(second.problem_type, ProblemType::multi_label);
  EXPECT_EQ(second.labels, first.labels);
  EXPECT_EQ(second.filter_sizes, first.filter_sizes);
  EXPECT_EQ(second.num_filters, 9);
  EXPECT_EQ(second.dropout, 0.25);
  EXPECT_EQ(second.bert.hidden_size, 24);
  EXPECT_EQ(*second.source.find("unknown_field"), *first.source.find("unknown_field"));
  EXPECT_EQ(second.source.find("torch_dtype")->as_string(), "float32");
  EXPECT_EQ(json::write(second.to_json()), json::write(first.to_json()));
}

TEST(Config, KeepsWhatWasFrozenWhereTheVariantStaysTheSame) {
  const std::string saved = json::write(read("{}", {.freeze = "none"}).to_json());
  EXPECT_EQ(read(saved).freeze, Freeze("none"));
  EXPECT_EQ(read(saved, {.variant = "frozen"}).freeze, Freeze("none"));
  EXPECT_EQ(read(saved, {.variant = "frozen", .freeze = "encoder"}).freeze, Freeze("encoder"));
  const std::string other = json::write(read("{}", {.variant = "max-over-time"}).to_json());
  EXPECT_EQ(read(other, {.variant = "frozen"}).freeze, Freeze("encoder"));
}

TEST(Config, KeepsEveryFormOfFreeze) {
  const std::vector<Freeze> forms = {
      "encoder", "embeddings", "none",
      0,         12,           std::vector<std::string>{"bert.embeddings.*", "*.bias"}};
  for (const Freeze& freeze : forms) {
    EXPECT_EQ(read(json::write(read("{}", {.freeze = freeze}).to_json())).freeze, freeze);
  }
  for (const char* text : {R"({"bert_cnn": {"freeze": "all"}})", R"({"bert_cnn": {"freeze": 13}})",
                           R"({"bert_cnn": {"freeze": 1.5}})", R"({"bert_cnn": {"freeze": []}})",
                           R"({"bert_cnn": {"freeze": ["a", 1]}})"}) {
    EXPECT_TRUE(failure(text).starts_with("ERR_INVALID_CONFIG")) << text << failure(text);
  }
}

TEST(Config, HasNoCalibrationUnlessItWasWritten) {
  EXPECT_TRUE(read("{}").calibration.is_empty());
  const std::string saved = json::write(read("{}").to_json());
  EXPECT_EQ(saved.find("temperature"), std::string::npos);
  EXPECT_EQ(saved.find("thresholds"), std::string::npos);
}

TEST(Config, KeepsACalibration) {
  const std::vector<Calibration> all = {
      {1.7, {}}, {std::nullopt, {0.25, 0.1}}, {0.01, {0.999, 5e-324}}};
  for (const Calibration& calibration : all) {
    BertCnnConfig config = read("{}", {.problem_type = "multi_label_classification"});
    config.calibration = calibration;
    EXPECT_EQ(read(json::write(config.to_json())).calibration, calibration);
  }
  const std::string null = R"({"bert_cnn": {"temperature": null, "thresholds": null}})";
  EXPECT_TRUE(read(null).calibration.is_empty());
  EXPECT_EQ(read(R"({"bert_cnn": {"temperature": 2}})").calibration.temperature, 2.0);
}

TEST(Config, NamesWhatIsWrongWithACalibration) {
  const auto refused = [](const std::string& fields, const std::string& type, const char* word) {
    const std::string error =
        failure(R"({"problem_type": ")" + type + R"(", "bert_cnn": {)" + fields + "}}");
    EXPECT_TRUE(error.starts_with("ERR_INVALID_CONFIG config.json: ")) << fields << error;
    EXPECT_NE(error.find(word), std::string::npos) << fields << error;
  };
  const std::string single = "single_label_classification";
  const std::string multi = "multi_label_classification";
  for (const char* value : {"0", "-1", "Infinity", "NaN", "\"1\"", "[1]"}) {
    refused(R"("temperature": )" + std::string(value), single, "temperature");
  }
  for (const char* value : {"0.5", "[]", "[0.5]", "[0.5, 0.5, 0.5]", "[0, 0.5]", "[0.5, 1]",
                            "[NaN, 0.5]", "[\"a\", 0.5]"}) {
    refused(R"("thresholds": )" + std::string(value), multi, "thresholds");
  }
  refused(R"("thresholds": [0.5, 0.5])", single, "only for multi_label_classification");
  refused(R"("temperature": 2)", "regression", "regression");
}

TEST(Config, DropsTheCalibrationOfOtherLabels) {
  BertCnnConfig config = read("{}", {.problem_type = "multi_label_classification"});
  config.calibration = {2.0, {0.25, 0.75}};
  const std::string saved = json::write(config.to_json());
  using Labels = std::vector<std::string>;
  EXPECT_EQ(read(saved, {.labels = Labels{"u", "v"}}).calibration, config.calibration);
  EXPECT_EQ(read(saved, {.problem_type = "multi_label_classification"}).calibration,
            config.calibration);
  EXPECT_TRUE(read(saved, {.problem_type = "single_label_classification"}).calibration.is_empty());
  EXPECT_TRUE(read(saved, {.num_labels = 3}).calibration.is_empty());
}

TEST(Config, ReadsLabelsAsTransformersDoes) {
  using Labels = std::vector<std::string>;
  EXPECT_EQ(read(R"({"id2label": {"0": 0, "1": true, "2": "x"}})").labels,
            (Labels{"0", "true", "x"}));
  for (const char* text : {R"({"id2label": {"0": "a", "1": "a"}})", R"({"id2label": ["a", "b"]})",
                           R"({"id2label": {"0": "a", "2": "b"}})"}) {
    EXPECT_TRUE(failure(text).starts_with("ERR_INVALID_CONFIG")) << text;
    EXPECT_EQ(read(text, {.labels = Labels{"u", "v"}}).labels, (Labels{"u", "v"}));
    EXPECT_EQ(read(text, {.num_labels = 3}).labels, (Labels{"LABEL_0", "LABEL_1", "LABEL_2"}));
  }
}

TEST(Config, CountsTheTokenOfPaddingAsPyTorchDoes) {
  EXPECT_EQ(read(R"({"vocab_size": 40})").bert.pad_token_id, 0);
  EXPECT_EQ(read(R"({"vocab_size": 40, "pad_token_id": -1})").bert.pad_token_id, 39);
  EXPECT_EQ(read(R"({"vocab_size": 40, "pad_token_id": null})").bert.pad_token_id, -1);
}

TEST(Config, BoundsWhatWouldFillTheMemory) {
  EXPECT_TRUE(failure(R"({"num_hidden_layers": 2000000})").starts_with("ERR_INVALID_CONFIG"));
  EXPECT_TRUE(failure(R"({"num_labels": 100000000})").starts_with("ERR_INVALID_CONFIG"));
  EXPECT_TRUE(failure("{}", {.num_labels = 100000000}).starts_with("ERR_INVALID_ARGUMENT"));
}

TEST(Config, KeepsTheHeadsForm) {
  const std::string source = R"({"num_hidden_layers": 4})";
  const HeadOverrides head = {.activation = "glu",
                              .pooling = "k-max",
                              .pooling_size = 5,
                              .layer_norm = true,
                              .hidden_layers = 3,
                              .layer_combination = "mix"};
  const BertCnnConfig first =
      read(source, {.hidden_dropout = 0.25, .attention_dropout = 0.0, .head = head});
  EXPECT_EQ(first.head.activation, kernels::ConvolutionActivation::glu);
  EXPECT_EQ(first.head.pooling, (kernels::Pooling{kernels::PoolingKind::k_max, 5}));
  EXPECT_TRUE(first.head.layer_norm);
  EXPECT_TRUE(first.head.mixes());
  EXPECT_EQ(first.head.input_size(24), 24);
  const std::string saved = json::write(first.to_json());
  const BertCnnConfig second = read(saved);
  EXPECT_EQ(second.head, first.head);
  EXPECT_EQ(second.bert.hidden_dropout_prob, 0.25);
  EXPECT_EQ(second.bert.attention_probs_dropout_prob, 0);
  // The same again is no change, another one is.
  EXPECT_EQ(failure(saved, {.head = head}), "");
  for (const HeadOverrides& other : std::vector<HeadOverrides>{{.activation = "relu"},
                                                               {.pooling = "max"},
                                                               {.pooling_size = 4},
                                                               {.layer_norm = false},
                                                               {.hidden_layers = 2},
                                                               {.layer_combination = "concat"}}) {
    EXPECT_TRUE(failure(saved, {.head = other}).starts_with("ERR_INVALID_ARGUMENT"));
  }
  EXPECT_EQ(read(source, {.head = {.hidden_layers = 3, .layer_combination = "concat"}})
                .head.input_size(24),
            72);
}

TEST(Config, KeepsWhatBecomesOfLongTexts) {
  EXPECT_EQ(read("{}").long_text, LongText::truncate);
  const BertCnnConfig first = read("{}", {.long_text = "window", .window_overlap = 7});
  EXPECT_EQ(first.long_text, LongText::window);
  EXPECT_EQ(first.overlap_of(20), 7);
  const std::string saved = json::write(first.to_json());
  EXPECT_EQ(read(saved).window_overlap, 7);
  // No weight depends on it: another is no other head.
  EXPECT_EQ(read(saved, {.long_text = "truncate"}).long_text, LongText::truncate);
  EXPECT_EQ(read(saved, {.window_overlap = 3}).overlap_of(20), 3);
  EXPECT_EQ(read("{}", {.long_text = "window"}).overlap_of(18), 4);
}

TEST(Config, RefusesWindowsThatCannotBe) {
  const auto fails = [](const ConfigOverrides& overrides, const char* name) {
    const std::string error = failure("{}", overrides);
    return error.starts_with("ERR_INVALID_ARGUMENT") && error.find(name) != std::string::npos;
  };
  EXPECT_TRUE(fails({.long_text = "cut"}, "longText"));
  EXPECT_TRUE(fails({.window_overlap = 3}, "windowOverlap"));
  EXPECT_TRUE(fails({.padding = "include", .long_text = "window"}, "padding"));
  EXPECT_TRUE(failure(R"({"bert_cnn": {"long_text": "window", "window_overlap": -1}})")
                  .starts_with("ERR_INVALID_CONFIG"));
  const BertCnnConfig wide = read("{}", {.long_text = "window", .window_overlap = 7});
  const auto overlap_error = [&](int64_t max_length) {
    return bertcnn::testing::failure_code([&] { wide.overlap_of(max_length); });
  };
  EXPECT_EQ(overlap_error(2), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(overlap_error(9), "ERR_INVALID_ARGUMENT");
  EXPECT_EQ(overlap_error(10), "");
}

TEST(Config, ReadsWhatItSavedWithoutLayers) {
  const auto config = read(R"({"num_hidden_layers": 0})", {});
  EXPECT_EQ(config.head.hidden_layers, 1);
  EXPECT_EQ(json::write(BertCnnConfig::from_json(config.to_json(), {}).to_json()),
            json::write(config.to_json()));
}

TEST(Config, RefusesHeadsThatCannotBe) {
  const auto names = [](const std::string& error, const char* code, const char* name) {
    return error.starts_with(code) && error.find(name) != std::string::npos;
  };
  const std::pair<HeadOverrides, const char*> overrides[] = {
      {{.activation = "selu"}, "activation"},
      {{.pooling = "min"}, "pooling"},
      {{.pooling_size = 2}, "poolingSize"},
      {{.pooling = "k-max", .pooling_size = 0}, "poolingSize"},
      {{.hidden_layers = 13}, "hiddenLayers"},
      {{.hidden_layers = 0}, "hiddenLayers"},
      {{.layer_combination = "mix"}, "layerCombination"},
      {{.hidden_layers = 2, .layer_combination = "max"}, "layerCombination"}};
  for (const auto& [head, name] : overrides) {
    EXPECT_TRUE(names(failure("{}", {.head = head}), "ERR_INVALID_ARGUMENT", name)) << name;
  }
  const std::pair<const char*, const char*> files[] = {
      {R"({"bert_cnn": {"activation": "selu"}})", "activation"},
      {R"({"bert_cnn": {"activation": 1}})", "activation"},
      {R"({"bert_cnn": {"pooling": "k-max", "pooling_size": 65}})", "pooling_size"},
      {R"({"bert_cnn": {"layer_norm": "yes"}})", "layer_norm"},
      {R"({"bert_cnn": {"hidden_layers": 13}})", "hidden_layers"},
      {R"({"bert_cnn": {"hidden_layers": 2, "layer_combination": "sum"}})", "layerCombination"}};
  for (const auto& [text, name] : files) {
    EXPECT_TRUE(names(failure(text), "ERR_INVALID_CONFIG", name)) << text << failure(text);
  }
}

TEST(Config, KeepsATrainedHeadsShape) {
  const std::string saved = json::write(read("{}", {.variant = "max-over-time"}).to_json());
  EXPECT_EQ(read(saved, {.variant = "frozen"}).freeze, Freeze("encoder"));
  EXPECT_TRUE(failure(saved, {.variant = "fine-tune"}).starts_with("ERR_INVALID_ARGUMENT"));
  EXPECT_TRUE(failure(saved, {.num_filters = 5}).starts_with("ERR_INVALID_ARGUMENT"));
  EXPECT_TRUE(failure(saved, {.filter_sizes = std::vector<int64_t>{3}})
                  .starts_with("ERR_INVALID_ARGUMENT"));
}

}  // namespace
}  // namespace bertcnn::model
