#include "gpu_model.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>

#include "checkpoint/checkpoint.h"
#include "json.h"
#include "model/bert_cnn.h"
#include "model/device.h"
#include "model/weights.h"

namespace bertcnn::gpu {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kVocabulary = 30522;
constexpr int64_t kLabels = 2;

std::string config_of(const std::string& size) {
  const bool base = size == "base";
  const std::string hidden = base ? "768" : "384";
  const std::string layers = base ? "12" : "6";
  const std::string intermediate = base ? "3072" : "1536";
  return R"({"model_type": "bert", "vocab_size": 30522, "hidden_size": )" + hidden +
         R"(, "num_hidden_layers": )" + layers + R"(, "num_attention_heads": 12,
  "intermediate_size": )" +
         intermediate + R"(, "max_position_embeddings": 512,
  "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0})";
}

/// As BERT starts: small matrices, layer norms near one, biases that have an effect.
void draw_weights(const model::BertCnn& model) {
  at::Generator generator = model::make_generator(at::kCPU, 1);
  const at::NoGradGuard no_grad;
  for (const kernels::Parameter& parameter : model.parameters()) {
    parameter.tensor.normal_(0, 0.04, generator);
    if (parameter.name.ends_with("LayerNorm.weight")) parameter.tensor.add_(1);
  }
}

void write_model(const std::string& folder, const std::string& size) {
  const model::ConfigOverrides overrides = {.variant = "max-over-time", .dropout = 0.0};
  const auto config =
      model::BertCnnConfig::from_json(json::parse(config_of(size), "config"), overrides);
  const model::BertCnn model(config, at::kCPU);
  draw_weights(model);
  fs::create_directories(folder);
  const model::SavedWeights weights = model::save_weights(model.parameters());
  checkpoint::write_safetensors(folder + "/model.safetensors", weights.tensors, {{"format", "pt"}});
  std::ofstream(folder + "/config.json") << json::write(config.to_json()) << "\n";
}

void report(const std::string& row, double value, double bound, const std::string& unit,
            const char* relation, bool passed) {
  std::printf(
      R"({"row": "%s", "value": %.6g, "bound": %.6g, "unit": "%s", "relation": "%s", "passed": %s})"
      "\n",
      row.c_str(), value, bound, unit.c_str(), relation, passed ? "true" : "false");
  std::fflush(stdout);
}

}  // namespace

std::string model_directory(const Setting& setting, const std::string& size) {
  std::string folder = setting.folder + "/" + size;
  if (!fs::exists(folder + "/config.json")) write_model(folder, size);
  return folder;
}

std::unique_ptr<engine::ModelCompute> load(const Setting& setting, const std::string& size,
                                           const std::string& dtype, int64_t memory_limit) {
  engine::LoadOptions options;
  options.directory = model_directory(setting, size);
  options.device = setting.device;
  options.dtype = dtype;
  options.seed = 1;
  options.memory_limit = memory_limit;
  return engine::ModelCompute::load(options);
}

Rows random_rows(int64_t count, int64_t shortest, int64_t longest, uint64_t seed) {
  std::mt19937_64 random(seed);
  Rows rows(count);
  for (engine::TokenRow& row : rows) {
    const auto length =
        static_cast<size_t>(shortest + static_cast<int64_t>(random() % (longest - shortest + 1)));
    row.token_type_ids.resize(length, 0);
    row.position_ids.resize(length);
    std::iota(row.position_ids.begin(), row.position_ids.end(), 0);
    for (size_t i = 0; i < length; ++i) {
      row.input_ids.push_back(static_cast<int32_t>(random() % kVocabulary));
    }
  }
  return rows;
}

int64_t tokens_of(const Rows& rows) {
  int64_t tokens = 0;
  for (const engine::TokenRow& row : rows) tokens += std::ssize(row.input_ids);
  return tokens;
}

std::vector<float> predict(engine::ModelCompute& compute, const Rows& rows) {
  const int64_t labels = compute.labels();
  std::vector<float> logits(rows.size() * labels);
  std::vector<float> probabilities(rows.size() * labels);
  std::vector<const engine::TokenRow*> pointers;
  std::vector<engine::RowOutput> outputs;
  for (size_t i = 0; i < rows.size(); ++i) {
    pointers.push_back(&rows[i]);
    outputs.push_back({logits.data() + i * labels, probabilities.data() + i * labels});
  }
  compute.predict(pointers, outputs, {});
  return logits;
}

engine::TrainRequest random_batch(int64_t rows, int64_t length, uint64_t seed) {
  std::mt19937_64 random(seed);
  engine::TokenBatch batch{.rows = rows, .length = length};
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < rows * length; ++i) {
    batch.input_ids.push_back(static_cast<int32_t>(random() % kVocabulary));
  }
  for (int64_t i = 0; i < rows; ++i) labels.push_back(static_cast<int64_t>(random() % kLabels));
  return {std::move(batch), engine::Labels(std::move(labels))};
}

double largest_difference(std::span<const float> actual, std::span<const float> expected) {
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference =
        std::abs(actual[i] - expected[i]) / (1 + std::abs(static_cast<double>(expected[i])));
    // NaN is no difference that is small.
    largest = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                     : std::max(largest, difference);
  }
  return largest;
}

void report_at_most(const std::string& row, double value, double bound, const std::string& unit) {
  report(row, value, bound, unit, "at most", value <= bound);
}

void report_at_least(const std::string& row, double value, double bound, const std::string& unit) {
  report(row, value, bound, unit, "at least", value >= bound);
}

}  // namespace bertcnn::gpu
