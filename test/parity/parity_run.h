// What is compared with PyTorch: one model's logits, loss, gradients and training steps, computed
// by the classes that an engine uses. Shared by the tool of the live comparison and the test of the
// fixtures.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "engine/model_compute.h"
#include "error.h"
#include "json.h"
#include "kernels/packed_batch.h"
#include "model/bert_cnn.h"
#include "model/device.h"
#include "model/masked_language_head.h"
#include "model/weights.h"
#include "training/loss.h"
#include "training/masking.h"
#include "training/options.h"
#include "training/trainer.h"

namespace bertcnn::parity {

/// How a model is loaded and trained: an entry of the fixtures' manifest.json.
struct Case {
  engine::LoadOptions options;
  training::TrainingOptions training;
  int64_t steps = 0;
  std::map<int64_t, model::Freeze> freezes;  // by the number of steps taken before
  std::set<int64_t> recorded;  // steps, from 1, of which gradients and weights are written
};

/// One batch and its targets.
struct Inputs {
  engine::TokenBatch tokens;
  engine::Labels labels;
};

/// float32 tensors by name: logits, logits_alone, loss, grad.*, losses, grad_norms,
/// learning_rates, final.*; of recorded steps step_N.grad.* and step_N.weight.*, of trained
/// weights.
using Results = std::map<std::string, at::Tensor>;

inline const json::Value& member(const json::Value& object, const char* name) {
  const json::Value* value = object.find(name);
  if (!value) fail("ERR_INVALID_JSON", "The case has no '", name, "'.");
  return *value;
}

template <typename T>
std::vector<T> numbers(const json::Value& array) {
  std::vector<T> result;
  for (const json::Value& value : array.as_array()) {
    result.push_back(static_cast<T>(value.as_number()));
  }
  return result;
}

/// Those that a case may leave out.
inline void read_training_options(const json::Value& from, training::TrainingOptions& to) {
  const auto read = [&](const char* name, auto&& use) {
    if (const json::Value* value = from.find(name)) use(*value);
  };
  using Value = json::Value;
  read("layer_decay", [&](const Value& v) { to.layer_decay = v.as_number(); });
  read("optimizer",
       [&](const Value& v) { to.optimizer = training::optimizer_type(v.as_string()); });
  read("momentum", [&](const Value& v) { to.momentum = v.as_number(); });
  read("nesterov", [&](const Value& v) { to.nesterov = v.as_bool(); });
  read("schedule",
       [&](const Value& v) { to.schedule.type = training::schedule_type(v.as_string()); });
  read("total_steps", [&](const Value& v) { to.schedule.total_steps = v.as_integer(); });
  read("warmup_steps", [&](const Value& v) { to.schedule.warmup_steps = v.as_integer(); });
  read("warmup_ratio", [&](const Value& v) { to.schedule.warmup_ratio = v.as_number(); });
  read("power", [&](const Value& v) { to.schedule.power = v.as_number(); });
  read("class_weights", [&](const Value& v) { to.loss.class_weights = numbers<double>(v); });
  read("class_counts", [&](const Value& v) { to.loss.class_counts = numbers<int64_t>(v); });
  read("pos_weight", [&](const Value& v) { to.loss.pos_weight = numbers<double>(v); });
  read("focal_gamma", [&](const Value& v) { to.loss.focal_gamma = v.as_number(); });
  read("label_smoothing", [&](const Value& v) { to.loss.label_smoothing = v.as_number(); });
  read("gradient_accumulation_steps",
       [&](const Value& v) { to.gradient_accumulation_steps = v.as_integer(); });
  read("bfloat16", [&](const Value& v) { to.bfloat16 = v.as_bool(); });
}

inline Case read_case(const json::Value& entry, const std::string& directory) {
  const json::Value& options = member(entry, "options");
  const json::Value& training = member(entry, "training");
  const auto number = [&](const char* name) { return member(training, name).as_number(); };
  Case result;
  result.options.directory = directory;
  result.options.device = "cpu";
  result.options.seed = 0;
  result.options.problem_type = member(options, "problem_type").as_string();
  result.options.padding = member(options, "padding").as_string();
  result.options.freeze = model::read_freeze(member(options, "freeze"));
  result.options.dropout = member(options, "dropout").as_number();
  if (const json::Value* window = options.find("window")) {
    const std::vector<int64_t> sizes = numbers<int64_t>(*window);
    result.options.long_text = "window";
    result.options.max_length = sizes.at(0);
    result.options.window_overlap = sizes.at(1);
  }
  result.training.learning_rate = number("learning_rate");
  result.training.head_learning_rate = number("head_learning_rate");
  result.training.weight_decay = number("weight_decay");
  result.training.beta1 = number("beta1");
  result.training.beta2 = number("beta2");
  result.training.epsilon = number("epsilon");
  result.training.max_grad_norm = number("max_grad_norm");
  read_training_options(training, result.training);
  result.steps = member(entry, "steps").as_integer();
  if (const json::Value* freezes = entry.find("freezes")) {
    for (const auto& [step, freeze] : freezes->as_object()) {
      result.freezes[std::stoll(step)] = model::read_freeze(freeze);
    }
  }
  if (const json::Value* recorded = entry.find("recorded")) {
    for (const int64_t step : numbers<int64_t>(*recorded)) result.recorded.insert(step);
  }
  return result;
}

inline const checkpoint::Tensor& find(const checkpoint::Checkpoint& file, const std::string& name) {
  const checkpoint::Tensor* tensor = file.find(name);
  if (!tensor) fail("ERR_CHECKPOINT_MISMATCH", "The file has no tensor called '", name, "'.");
  return *tensor;
}

inline std::vector<int64_t> read_integers(const checkpoint::Tensor& tensor) {
  if (tensor.dtype != checkpoint::DType::int64) {
    fail("ERR_CHECKPOINT_MISMATCH", "'", tensor.name, "' is not int64.");
  }
  std::vector<int64_t> values(tensor.numel());
  const checkpoint::TensorBytes stored(tensor);
  std::memcpy(values.data(), stored.get().data(), stored.get().size());
  return values;
}

inline at::Tensor read_floats(const checkpoint::Tensor& tensor) {
  at::Tensor values = at::empty(tensor.shape, at::kFloat);
  checkpoint::copy_as_float32(tensor, values.mutable_data_ptr<float>());
  return values;
}

inline Inputs read_inputs(const checkpoint::Checkpoint& file) {
  const auto ids = [&file](const char* name) {
    const std::vector<int64_t> values = read_integers(find(file, name));
    return std::vector<int32_t>(values.begin(), values.end());
  };
  Inputs inputs;
  inputs.tokens.rows = find(file, "input_ids").shape.at(0);
  inputs.tokens.length = find(file, "input_ids").shape.at(1);
  inputs.tokens.input_ids = ids("input_ids");
  inputs.tokens.attention_mask = ids("attention_mask");
  inputs.tokens.token_type_ids = ids("token_type_ids");
  const checkpoint::Tensor& labels = find(file, "labels");
  if (labels.dtype == checkpoint::DType::int64) {
    inputs.labels = read_integers(labels);
  } else {
    const at::Tensor values = read_floats(labels);
    const float* data = values.const_data_ptr<float>();
    inputs.labels = std::vector<float>(data, data + values.numel());
  }
  return inputs;
}

// ---- prediction

inline std::vector<engine::TokenRow> rows_of(engine::ModelCompute& compute, const Inputs& inputs) {
  std::vector<engine::TokenRow> rows;
  for (int64_t row = 0; row < inputs.tokens.rows; ++row) {
    rows.push_back(compute.prepare(inputs.tokens, row));
  }
  return rows;
}

/// `[rows, labels]`, predicted in batches of `at_a_time` rows.
inline at::Tensor predict_rows(engine::ModelCompute& compute, const Inputs& inputs,
                               size_t at_a_time) {
  const std::vector<engine::TokenRow> rows = rows_of(compute, inputs);
  at::Tensor logits = at::empty({inputs.tokens.rows, compute.labels()}, at::kFloat);
  at::Tensor probabilities = at::empty(logits.sizes(), at::kFloat);
  std::vector<const engine::TokenRow*> tokens;
  std::vector<engine::RowOutput> outputs;
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto offset = static_cast<int64_t>(row) * compute.labels();
    tokens.push_back(&rows[row]);
    outputs.push_back(
        {logits.mutable_data_ptr<float>() + offset,
         compute.has_probabilities() ? probabilities.mutable_data_ptr<float>() + offset : nullptr});
  }
  for (size_t begin = 0; begin < rows.size(); begin += at_a_time) {
    const size_t count = std::min(at_a_time, rows.size() - begin);
    compute.predict(std::span(tokens).subspan(begin, count),
                    std::span(outputs).subspan(begin, count), nullptr);
  }
  return logits;
}

inline at::Tensor to_tensor(const std::vector<float>& values, at::IntArrayRef shape) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<float>());
  return tensor;
}

inline void predict(engine::ModelCompute& compute, const Inputs& inputs, Results& results) {
  if (compute.call_is_batch()) {
    const engine::Prediction prediction = compute.predict_call(inputs.tokens, nullptr);
    results["logits"] = to_tensor(prediction.logits, {prediction.rows, prediction.labels});
    return;
  }
  results["logits"] = predict_rows(compute, inputs, inputs.tokens.rows);
  results["logits_alone"] = predict_rows(compute, inputs, 1);
}

// ---- loss and gradients

/// As an engine packs a batch: without pad positions, or with them and a mask (`padding:
/// "include"`).
inline kernels::PackedBatch pack(engine::ModelCompute& compute, const Inputs& inputs) {
  if (!compute.call_is_batch()) {
    const std::vector<engine::TokenRow> rows = rows_of(compute, inputs);
    std::vector<const engine::TokenRow*> pointers;
    for (const engine::TokenRow& row : rows) pointers.push_back(&row);
    return compute.pack(pointers);
  }
  kernels::PackedBatchBuilder builder;
  const engine::TokenBatch& tokens = inputs.tokens;
  std::vector<int32_t> positions(tokens.length);
  std::iota(positions.begin(), positions.end(), 0);
  for (int64_t row = 0; row < tokens.rows; ++row) {
    const auto part = [&](const std::vector<int32_t>& values) {
      return std::span(values).subspan(row * tokens.length, tokens.length);
    };
    builder.add(part(tokens.input_ids), part(tokens.token_type_ids), positions,
                part(tokens.attention_mask));
  }
  return builder.build(at::kCPU);
}

inline at::Tensor targets_of(const Inputs& inputs, int64_t labels) {
  if (const auto* classes = std::get_if<std::vector<int64_t>>(&inputs.labels)) {
    return kernels::to_tensor(*classes, at::kCPU);
  }
  return to_tensor(std::get<std::vector<float>>(inputs.labels), {inputs.tokens.rows, labels});
}

inline model::BertCnn load_model(const engine::LoadOptions& options, const json::Value& config,
                                 model::Matching matching = model::Matching::whole) {
  model::ConfigOverrides overrides;
  overrides.problem_type = options.problem_type;
  overrides.padding = options.padding;
  overrides.freeze = options.freeze;
  overrides.dropout = options.dropout;
  model::BertCnn model(model::BertCnnConfig::from_json(config, overrides), at::kCPU);
  model::load_weights(model, checkpoint::Checkpoint::open(options.directory), matching);
  return model;
}

inline void gradients(engine::ModelCompute& compute, const Case& to_run, const Inputs& inputs,
                      Results& results) {
  // The configuration that loading made of config.json and the options.
  const model::BertCnn model =
      load_model(to_run.options, json::parse(compute.info().config, "config.json"));
  const kernels::ForwardContext context{true, model::make_generator(at::kCPU, 0), nullptr};
  const at::Tensor logits = model.forward(pack(compute, inputs), context);
  const training::Loss loss_of(to_run.training.loss, model.config(), at::kCPU);
  const at::Tensor loss = loss_of(logits, targets_of(inputs, compute.labels()));
  loss.backward();
  results["loss"] = loss.detach().reshape({1});
  for (const kernels::Parameter& parameter : model.parameters()) {
    if (parameter.tensor.grad().defined()) {
      results["grad." + parameter.name] = parameter.tensor.grad();
    }
  }
}

// ---- masked tokens

/// Loss and gradients of guessing tokens that the input masks: `input_ids` with their masks,
/// `places` in the packed batch and `targets`.
inline Results guess_tokens(const Case& to_run, const checkpoint::Checkpoint& input) {
  engine::LoadOptions options = to_run.options;
  options.freeze = "none";
  const auto compute = engine::ModelCompute::load(options);
  const model::BertCnn model = load_model(
      options, json::parse(compute->info().config, "config.json"), model::Matching::lenient);
  const training::MaskedLanguage language(
      model::MaskedLanguageHead(model.config().bert, at::kFloat), {});
  const kernels::ParameterList& head = language.head.parameters();
  const kernels::ParameterList values =
      model::read_all_or_none(head, checkpoint::Checkpoint::open(options.directory));
  if (values.empty()) {
    fail("ERR_CHECKPOINT_MISMATCH", "The directory has no head that guesses tokens.");
  }
  model::copy_weights(values, head);
  const auto integers = [&input](const char* name) {
    return kernels::to_tensor(read_integers(find(input, name)), at::kCPU);
  };
  const training::MaskedRun run{pack(*compute, read_inputs(input)), integers("places"),
                                integers("targets"), 1};
  const kernels::ForwardContext context{true, model::make_generator(at::kCPU, 0), nullptr};
  const at::Tensor loss = training::masked_language_loss(model, language, run, context);
  loss.backward();
  Results results{{"loss", loss.detach().reshape({1})}};
  for (const auto* list : {&model.parameters(), &head}) {
    for (const kernels::Parameter& parameter : *list) {
      if (!parameter.tensor.grad().defined()) continue;
      results["grad." + parameter.name] = parameter.tensor.grad();
    }
  }
  return results;
}

// ---- training

/// Rows `begin` to `begin + count` of a `[rows, ...]` vector.
template <typename T>
std::vector<T> rows_between(const std::vector<T>& values, int64_t rows, int64_t begin,
                            int64_t count) {
  const int64_t width = static_cast<int64_t>(values.size()) / rows;
  return {values.begin() + begin * width, values.begin() + (begin + count) * width};
}

/// Part `part` of `parts` parts of as many rows.
inline engine::TrainRequest share_of(const Inputs& inputs, int64_t part, int64_t parts) {
  const int64_t rows = inputs.tokens.rows / parts;
  const auto cut = [&](const auto& values) {
    return rows_between(values, inputs.tokens.rows, part * rows, rows);
  };
  const engine::TokenBatch& all = inputs.tokens;
  return {
      engine::TokenBatch{rows, all.length, cut(all.input_ids), cut(all.attention_mask),
                         cut(all.token_type_ids)},
      std::visit([&](const auto& labels) { return engine::Labels(cut(labels)); }, inputs.labels)};
}

/// Adds the gradients that stand now, each as `prefix` and its name, for those that are there.
inline void record_gradients(const model::BertCnn& model, const std::string& prefix,
                             Results& results) {
  for (const kernels::Parameter& parameter : model.parameters()) {
    const at::Tensor& gradient = parameter.tensor.grad();
    if (gradient.defined()) results[prefix + parameter.name] = gradient.clone();
  }
}

inline void record_weights(const model::BertCnn& model, const std::string& prefix,
                           Results& results) {
  for (const kernels::Parameter& parameter : model.parameters()) {
    if (!model.is_trained(parameter.name)) continue;
    results[prefix + parameter.name] = parameter.tensor.detach().clone();
  }
}

/// One step. A recorded one's gradients are those before clipping, with what is accumulated: a step
/// asks a last time whether it is cancelled when they are complete, and whatever it asks before is
/// written over.
inline engine::StepResult take_step(engine::ModelCompute& compute, const Case& to_run, int64_t step,
                                    const engine::TrainRequest& request, Results& results) {
  if (!to_run.recorded.contains(step + 1)) return compute.train_step(request, nullptr);
  const std::string prefix = "step_" + std::to_string(step + 1);
  const auto look = [&] {
    record_gradients(compute.model(), prefix + ".grad.", results);
    return false;
  };
  engine::StepResult result = compute.train_step(request, look);
  record_weights(compute.model(), prefix + ".weight.", results);
  return result;
}

/// With accumulation each step takes one share of the batch, in turn.
inline void train(engine::ModelCompute& compute, const Case& to_run, const Inputs& inputs,
                  Results& results) {
  compute.configure_training(to_run.training);
  std::vector<float> losses;
  std::vector<float> norms;
  std::vector<float> rates;
  const int64_t parts = to_run.training.gradient_accumulation_steps;
  for (int64_t step = 0; step < to_run.steps; ++step) {
    if (to_run.freezes.contains(step)) compute.set_freeze(to_run.freezes.at(step));
    const auto result =
        take_step(compute, to_run, step, share_of(inputs, step % parts, parts), results);
    losses.push_back(static_cast<float>(result.loss));
    norms.push_back(static_cast<float>(result.grad_norm));
    for (const double rate : result.learning_rates) rates.push_back(static_cast<float>(rate));
  }
  results["losses"] = to_tensor(losses, {to_run.steps});
  results["grad_norms"] = to_tensor(norms, {to_run.steps});
  if (!to_run.freezes.empty()) return;  // the groups have changed on the way
  const auto groups = static_cast<int64_t>(compute.parameter_groups().size());
  results["learning_rates"] = to_tensor(rates, {to_run.steps, groups});
}

/// Adds the weights of `compute` as `final.*`, by way of `file` (a .safetensors).
inline void final_weights(engine::ModelCompute& compute, const std::string& file,
                          Results& results) {
  compute.save_state_dict(file);
  const auto saved = checkpoint::Checkpoint::open(file);
  for (const checkpoint::Tensor& tensor : saved.tensors()) {
    results["final." + tensor.name] = read_floats(tensor);
  }
}

/// Everything that is compared; `weights_file` is written on the way.
inline Results run(const Case& to_run, const Inputs& inputs, const std::string& weights_file) {
  const auto compute = engine::ModelCompute::load(to_run.options);
  Results results;
  predict(*compute, inputs, results);
  gradients(*compute, to_run, inputs, results);
  train(*compute, to_run, inputs, results);
  final_weights(*compute, weights_file, results);
  return results;
}

}  // namespace bertcnn::parity
