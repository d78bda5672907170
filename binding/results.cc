#include "results.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "text/packed.h"

namespace bertcnn::binding {
namespace {

/// A typed array with a copy of the values. Not an external buffer over the vector: Electron
/// forbids those, and results are small beside what it took to compute them.
template <typename Element>
Napi::TypedArrayOf<Element> to_typed_array(Napi::Env env, const std::vector<Element>& values) {
  auto array = Napi::TypedArrayOf<Element>::New(env, values.size());
  std::ranges::copy(values, array.Data());
  return array;
}

Napi::Value to_array(Napi::Env env, const std::vector<double>& numbers) {
  auto array = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) array.Set(i, Napi::Number::New(env, numbers[i]));
  return array;
}

Napi::Value to_js(Napi::Env env, const model::Calibration& calibration) {
  auto object = Napi::Object::New(env);
  if (calibration.temperature) object.Set("temperature", *calibration.temperature);
  if (!calibration.thresholds.empty()) {
    object.Set("thresholds", to_array(env, calibration.thresholds));
  }
  return object;
}

Napi::Value to_array(Napi::Env env, const std::vector<std::string>& strings) {
  auto array = Napi::Array::New(env, strings.size());
  for (uint32_t i = 0; i < strings.size(); ++i) array.Set(i, strings[i]);
  return array;
}

Napi::Value to_number(Napi::Env env, int64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

/// Without the powers that no batch reached.
Napi::Value to_array(Napi::Env env, const engine::Histogram& histogram) {
  const auto last = std::find_if(histogram.counts.rbegin(), histogram.counts.rend(),
                                 [](int64_t count) { return count > 0; });
  const auto length = static_cast<uint32_t>(histogram.counts.rend() - last);
  auto array = Napi::Array::New(env, length);
  for (uint32_t i = 0; i < length; ++i) array.Set(i, to_number(env, histogram.counts.at(i)));
  return array;
}

double to_seconds(engine::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Napi::Value to_js(Napi::Env env, const engine::ModelInfo& info) {
  auto object = Napi::Object::New(env);
  object.Set("config", info.config);
  object.Set("labels", to_array(env, info.labels));
  object.Set("problemType", info.problem_type);
  object.Set("device", info.device);
  if (!info.reason_for_cpu.empty()) object.Set("reasonForCpu", info.reason_for_cpu);
  object.Set("dtype", info.dtype);
  object.Set("maxLength", to_number(env, info.max_length));
  object.Set("parameterCount", to_number(env, info.parameter_count));
  object.Set("report", to_js(env, info.report));
  return object;
}

Napi::Value to_js(Napi::Env env, const engine::LoadReport& report) {
  auto object = Napi::Object::New(env);
  object.Set("missing", to_array(env, report.missing));
  object.Set("unexpected", to_array(env, report.unexpected));
  object.Set("initialized", to_array(env, report.initialized));
  object.Set("packSeconds", to_seconds(report.pack_time));
  return object;
}

Napi::Value to_js(Napi::Env env, const engine::Prediction& prediction, bool has_probabilities) {
  auto object = Napi::Object::New(env);
  object.Set("rows", to_number(env, prediction.rows));
  object.Set("labels", to_number(env, prediction.labels));
  object.Set("logits", to_typed_array(env, prediction.logits));
  if (has_probabilities) {
    object.Set("probabilities", to_typed_array(env, prediction.probabilities));
  } else {
    object.Set("probabilities", env.Null());
  }
  object.Set("truncated", to_typed_array(env, prediction.truncated));
  if (prediction.calibration) object.Set("calibration", to_js(env, *prediction.calibration));
  return object;
}

Napi::Value to_js(Napi::Env env, const engine::StepResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("step", to_number(env, result.step));
  object.Set("updated", result.updated);
  object.Set("loss", result.loss);
  object.Set("rows", to_number(env, result.rows));
  object.Set("labels", to_number(env, result.labels));
  object.Set("logits", to_typed_array(env, result.logits));
  object.Set("learningRates", to_typed_array(env, result.learning_rates));
  object.Set("gradNorm", result.grad_norm);
  return object;
}

Napi::Value to_js(Napi::Env env, const std::vector<engine::ParameterGroupInfo>& groups) {
  auto array = Napi::Array::New(env, groups.size());
  for (uint32_t i = 0; i < groups.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("name", groups[i].name);
    object.Set("learningRate", groups[i].learning_rate);
    object.Set("weightDecay", groups[i].weight_decay);
    object.Set("parameters", to_array(env, groups[i].parameters));
    object.Set("numel", to_number(env, groups[i].numel));
    array.Set(i, object);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const engine::TrainingPosition& position) {
  auto object = Napi::Object::New(env);
  object.Set("step", to_number(env, position.step));
  object.Set("batches", to_number(env, position.batches));
  object.Set("config", position.config);
  return object;
}

namespace {

Napi::Value to_js(Napi::Env env, const std::vector<model::Ngram>& ngrams) {
  auto array = Napi::Array::New(env, ngrams.size());
  for (uint32_t i = 0; i < ngrams.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("start", to_number(env, ngrams[i].start));
    object.Set("tokens", to_number(env, ngrams[i].tokens));
    object.Set("filters", to_number(env, ngrams[i].filters));
    object.Set("contribution", ngrams[i].contribution);
    object.Set("without", ngrams[i].without);
    array.Set(i, object);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const engine::TextExplanation& text) {
  const model::Explanation& explanation = text.explanation;
  auto object = Napi::Object::New(env);
  object.Set("tokens", to_array(env, text.tokens));
  std::vector<int32_t> offsets;
  for (const auto& [begin, end] : text.offsets) offsets.insert(offsets.end(), {begin, end});
  object.Set("offsets", to_typed_array(env, offsets));
  object.Set("truncated", text.truncated);
  object.Set("label", to_number(env, explanation.label));
  object.Set("logits", to_typed_array(env, explanation.logits));
  object.Set("logit", explanation.logit);
  object.Set("bias", explanation.bias);
  object.Set("ngrams", to_js(env, explanation.ngrams));
  object.Set("tokenBias", explanation.token_bias);
  object.Set("tokenContributions", to_typed_array(env, explanation.tokens));
  std::vector<int32_t> starts;
  std::vector<double> values;
  std::vector<double> contributions;
  for (const model::FilterMaximum& filter : explanation.filters) {
    starts.push_back(static_cast<int32_t>(filter.start));
    values.push_back(filter.value);
    contributions.push_back(filter.contribution);
  }
  object.Set("filterStarts", to_typed_array(env, starts));
  object.Set("filterValues", to_typed_array(env, values));
  object.Set("filterContributions", to_typed_array(env, contributions));
  return object;
}

}  // namespace

Napi::Value to_js(Napi::Env env, const std::vector<engine::TextExplanation>& explanations) {
  auto array = Napi::Array::New(env, explanations.size());
  for (uint32_t i = 0; i < explanations.size(); ++i) array.Set(i, to_js(env, explanations[i]));
  return array;
}

namespace {

Napi::Value to_js(Napi::Env env, const engine::FeatureCacheStats& stats) {
  auto object = Napi::Object::New(env);
  object.Set("rows", to_number(env, stats.rows));
  object.Set("memoryBytes", to_number(env, stats.memory_bytes));
  object.Set("fileBytes", to_number(env, stats.file_bytes));
  object.Set("hits", to_number(env, stats.hits));
  object.Set("misses", to_number(env, stats.misses));
  return object;
}

Napi::Value to_js(Napi::Env env, const engine::DeviceMemory& memory) {
  auto object = Napi::Object::New(env);
  object.Set("allocatedBytes", to_number(env, memory.allocated));
  object.Set("reservedBytes", to_number(env, memory.reserved));
  object.Set("peakBytes", to_number(env, memory.peak));
  return object;
}

}  // namespace

Napi::Value to_js(Napi::Env env, const engine::EngineStats& stats) {
  auto object = Napi::Object::New(env);
  object.Set("queuedRows", to_number(env, stats.queued_rows));
  object.Set("handles", to_number(env, stats.clients));
  object.Set("workers", to_number(env, stats.workers));
  object.Set("rows", to_number(env, stats.rows));
  object.Set("batches", to_number(env, stats.batches));
  object.Set("tokens", to_number(env, stats.tokens));
  object.Set("steps", to_number(env, stats.steps));
  object.Set("cancelled", to_number(env, stats.cancelled));
  object.Set("timedOut", to_number(env, stats.timed_out));
  object.Set("refused", to_number(env, stats.refused));
  object.Set("batchRows", to_array(env, stats.batch_rows));
  object.Set("batchTokens", to_array(env, stats.batch_tokens));
  object.Set("featureCache", to_js(env, stats.feature_cache));
  object.Set("memory", to_js(env, stats.memory));
  object.Set("tokenizerSeconds", to_seconds(stats.tokenizer_time));
  object.Set("queueSeconds", to_seconds(stats.queue_time));
  object.Set("computeSeconds", to_seconds(stats.compute_time));
  return object;
}

Napi::Value to_js(Napi::Env env, const std::vector<text::PackedEncodings>& encodings) {
  auto array = Napi::Array::New(env, encodings.size());
  for (uint32_t i = 0; i < encodings.size(); ++i) {
    const text::PackedEncodings& some = encodings[i];
    auto buffer = Napi::ArrayBuffer::New(env, some.size() * sizeof(int32_t));
    std::ranges::copy(some, static_cast<int32_t*>(buffer.Data()));
    array.Set(i, buffer);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const text::Encoding& encoding,
                  const text::EncodeOptions& options) {
  const text::Packed packed(encoding, 0, options);
  auto buffer = Napi::ArrayBuffer::New(env, packed.size() * sizeof(int32_t));
  packed.write(static_cast<int32_t*>(buffer.Data()), 0);
  return buffer;
}

}  // namespace bertcnn::binding
