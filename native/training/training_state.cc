#include "training/training_state.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "error.h"
#include "json.h"
#include "kernels/linear_tuning.h"
#include "model/device.h"
#include "training/options_json.h"

namespace bertcnn::training {
namespace {

constexpr int64_t kVersion = 1;
constexpr const char* kMetadata = "training";
constexpr std::string_view kHexadecimal = "0123456789abcdef";

std::string optimizer_name(const StateTensor& state) {
  return "optimizer." + state.name + "." + state.parameter;
}

std::string gradient_name(const std::string& parameter) {
  return "gradient." + parameter;
}

// ---- bytes as text

std::string to_hexadecimal(const at::Tensor& bytes) {
  std::string text;
  const auto* data = bytes.const_data_ptr<uint8_t>();
  for (int64_t i = 0; i < bytes.numel(); ++i) {
    text += kHexadecimal[data[i] >> 4];
    text += kHexadecimal[data[i] & 15];
  }
  return text;
}

/// Undefined where the text is none.
at::Tensor from_hexadecimal(std::string_view text) {
  if (text.size() % 2 != 0) return {};
  const auto size = static_cast<int64_t>(text.size() / 2);
  at::Tensor bytes = at::empty({size}, at::TensorOptions().dtype(at::kByte));
  auto* data = bytes.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < size; ++i) {
    const size_t high = kHexadecimal.find(text[2 * i]);
    const size_t low = kHexadecimal.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return {};
    data[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return bytes;
}

// ---- writing

/// Tensors of a file that is to be written, and copies of those that do not lie in the CPU's
/// memory.
struct Tensors {
  std::vector<at::Tensor> storage;
  std::vector<checkpoint::Tensor> tensors;

  void add(std::string name, const at::Tensor& tensor) {
    storage.push_back(tensor.detach().to(at::kCPU).contiguous());
    const at::Tensor& host = storage.back();
    tensors.push_back(
        {std::move(name), checkpoint::DType::float32, host.sizes().vec(),
         std::span(static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes())});
  }
};

json::Object linear_libraries() {
  json::Object libraries;
  for (const auto& [shape, name] : kernels::chosen_linear_libraries()) {
    libraries.emplace_back(shape, name);
  }
  return libraries;
}

std::string describe(const model::BertCnn& model, const Trainer& trainer,
                     const Surroundings& surroundings) {
  return json::write(json::Object{{"version", kVersion},
                                  {"step", trainer.steps()},
                                  {"batches", trainer.batches()},
                                  {"options", to_json(trainer.options())},
                                  {"config", model.config().to_json()},
                                  {"device", surroundings.device},
                                  {"dtype", surroundings.dtype},
                                  {"maxLength", surroundings.max_length},
                                  {"linear", linear_libraries()},
                                  {"generator", to_hexadecimal(trainer.generator().get_state())}},
                     0);
}

// ---- reading

template <typename... Parts>
[[noreturn]] void refuse(const std::string& file, const Parts&... parts) {
  fail("ERR_CHECKPOINT_FORMAT", "'", file, "' is no whole training state: ", parts...);
}

/// Runs `work`. What it finds wrong with a value is damage: we wrote another.
template <typename Work>
auto reading(const std::string& file, Work&& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.code() == "ERR_OUT_OF_MEMORY" || error.code() == "ERR_IO") throw;
    refuse(file, error.what());
  }
}

json::Value read_description(const checkpoint::Checkpoint& checkpoint, const std::string& file) {
  for (const auto& [name, value] : checkpoint.metadata()) {
    if (name == kMetadata) {
      return reading(file, [&text = value, &file] { return json::parse(text, file); });
    }
  }
  refuse(file, "it has no metadata of the name '", kMetadata,
         "'. saveTrainingState writes such files; loadStateDict reads weights alone.");
}

const json::Value& member(const json::Value& description, const char* name,
                          bool (json::Value::*is)() const, const std::string& file) {
  const json::Value* value = description.find(name);
  if (value == nullptr || !(value->*is)())
    refuse(file, "its '", name, "' is not what it should be.");
  return *value;
}

int64_t count(const json::Value& description, const char* name, const std::string& file) {
  const int64_t value = member(description, name, &json::Value::is_integer, file).as_integer();
  if (value < 0) refuse(file, "its '", name, "' is ", value, ".");
  return value;
}

std::string text(const json::Value& description, const char* name, const std::string& file) {
  return member(description, name, &json::Value::is_string, file).as_string();
}

std::map<std::string, std::string> read_linear_libraries(const json::Value& description,
                                                         const std::string& file) {
  std::map<std::string, std::string> libraries;
  const json::Value& stored = member(description, "linear", &json::Value::is_object, file);
  for (const auto& [shape, name] : stored.as_object()) {
    if (!name.is_string() || (name.as_string() != "aten" && name.as_string() != "onednn")) {
      refuse(file, "its 'linear' names no library for ", shape, ".");
    }
    libraries[shape] = name.as_string();
  }
  return libraries;
}

template <typename T>
void compare(const char* name, const T& stored, const T& own) {
  if (stored == own) return;
  fail("ERR_CHECKPOINT_MISMATCH", "The training state is of a model with ", name, " ", stored,
       ", but this one has ", own, ".");
}

std::string show(const std::vector<int64_t>& values) {
  return json::write(json::Array(values.begin(), values.end()), 0);
}

std::string show(const model::HeadConfig& head) {
  json::Object fields;
  head.write(fields);
  return json::write(std::move(fields), 0);
}

std::string show(const std::vector<std::string>& values) {
  return json::write(json::Array(values.begin(), values.end()), 0);
}

/// All that decides the numbers of a run, but for what is frozen.
void compare_configurations(const model::BertCnnConfig& stored, const model::BertCnnConfig& own) {
  const model::BertConfig& bert = stored.bert;
  const model::BertConfig& ours = own.bert;
  compare("vocab_size", bert.vocab_size, ours.vocab_size);
  compare("hidden_size", bert.hidden_size, ours.hidden_size);
  compare("num_hidden_layers", bert.num_hidden_layers, ours.num_hidden_layers);
  compare("num_attention_heads", bert.num_attention_heads, ours.num_attention_heads);
  compare("intermediate_size", bert.intermediate_size, ours.intermediate_size);
  if (bert.hidden_act != ours.hidden_act) {
    fail("ERR_CHECKPOINT_MISMATCH", "The training state is of a model with another hidden_act.");
  }
  compare("hidden_dropout_prob", bert.hidden_dropout_prob, ours.hidden_dropout_prob);
  compare("attention_probs_dropout_prob", bert.attention_probs_dropout_prob,
          ours.attention_probs_dropout_prob);
  compare("max_position_embeddings", bert.max_position_embeddings, ours.max_position_embeddings);
  compare("type_vocab_size", bert.type_vocab_size, ours.type_vocab_size);
  compare("layer_norm_eps", bert.layer_norm_eps, ours.layer_norm_eps);
  compare("pad_token_id", bert.pad_token_id, ours.pad_token_id);
  compare<std::string>("variant", name_of(stored.variant), name_of(own.variant));
  compare<std::string>("problemType", name_of(stored.problem_type), name_of(own.problem_type));
  compare<std::string>("padding", name_of(stored.padding), name_of(own.padding));
  compare<std::string>("longText", name_of(stored.long_text), name_of(own.long_text));
  compare("filterSizes", show(stored.filter_sizes), show(own.filter_sizes));
  compare("numFilters", stored.num_filters, own.num_filters);
  compare("dropout", stored.dropout, own.dropout);
  compare("head", show(stored.head), show(own.head));
  compare("labels", show(stored.labels), show(own.labels));
}

void check_generator_state(const at::Tensor& state, at::Device device, const std::string& file) {
  try {
    if (!state.defined()) refuse(file, "its 'generator' is no row of bytes.");
    at::Generator trial = model::make_generator(device, 0);
    trial.set_state(state);
  } catch (const c10::Error& error) {
    refuse(file, "its 'generator' is no generator's state: ", error.what_without_backtrace());
  }
}

}  // namespace

void save_training_state(const std::string& file, const model::BertCnn& model,
                         const Trainer& trainer, const Surroundings& surroundings) {
  Tensors tensors;
  for (const auto& [name, tensor] : model.parameters()) tensors.add(name, tensor);
  for (const StateTensor& state : trainer.optimizer().state()) {
    tensors.add(optimizer_name(state), state.tensor);
  }
  for (const auto& [name, gradient] : trainer.accumulated()) {
    tensors.add(gradient_name(name), gradient);
  }
  checkpoint::write_safetensors(
      file, tensors.tensors,
      {{"format", "pt"}, {kMetadata, describe(model, trainer, surroundings)}});
}

TrainingState::TrainingState(const std::string& file, const model::BertCnn& model,
                             const Surroundings& surroundings)
    : file_(file), checkpoint_(checkpoint::Checkpoint::open(file)) {
  const json::Value description = read_description(checkpoint_, file);
  if (const int64_t version = count(description, "version", file); version != kVersion) {
    refuse(file, "its version is ", version, ", and this library reads ", kVersion, ".");
  }
  const model::BertCnnConfig config = reading(file, [&] {
    return model::BertCnnConfig::from_json(
        member(description, "config", &json::Value::is_object, file), {});
  });
  compare_configurations(config, model.config());
  compare("device", text(description, "device", file), surroundings.device);
  compare("dtype", text(description, "dtype", file), surroundings.dtype);
  compare("maxLength", count(description, "maxLength", file), surroundings.max_length);
  if (config.long_text == model::LongText::window) {
    const int64_t overlap =
        reading(file, [&] { return config.overlap_of(surroundings.max_length); });
    compare("windowOverlap", overlap, model.config().overlap_of(surroundings.max_length));
  }

  freeze_ = config.freeze;
  reading(file, [&] {
    std::vector<std::string> names;
    for (const auto& parameter : model.parameters()) names.push_back(parameter.name);
    trained_names(freeze_, names, config.bert.num_hidden_layers, model::FreezeSource::config_file);
  });
  options_ = reading(file, [&] {
    TrainingOptions options =
        read_training_options(member(description, "options", &json::Value::is_object, file));
    check(options);
    return options;
  });
  position_.steps = count(description, "step", file);
  position_.batches = count(description, "batches", file);
  if (position_.batches >= options_.gradient_accumulation_steps) {
    refuse(file, "its 'batches' is ", position_.batches, ".");
  }
  linear_libraries_ = read_linear_libraries(description, file);
  generator_state_ = from_hexadecimal(text(description, "generator", file));
  check_generator_state(generator_state_, model.device(), file);
}

at::Tensor TrainingState::read(const std::string& name, at::IntArrayRef shape) const {
  const checkpoint::Tensor* tensor = checkpoint_.find(name);
  if (tensor == nullptr) refuse(file_, "it has no tensor '", name, "'.");
  if (tensor->dtype != checkpoint::DType::float32 || shape != at::IntArrayRef(tensor->shape)) {
    refuse(file_, "its tensor '", name, "' is not float32 of the shape ", shape, ".");
  }
  at::Tensor values = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  checkpoint::copy_as_float32(*tensor, values.mutable_data_ptr<float>());
  return values;
}

kernels::ParameterList TrainingState::read_weights(const model::BertCnn& model) const {
  kernels::ParameterList weights;
  for (const auto& [name, tensor] : model.parameters()) {
    weights.push_back({name, read(name, tensor.sizes())});
  }
  return weights;
}

std::unique_ptr<Trainer> TrainingState::make_trainer(const model::BertCnn& model,
                                                     at::Generator generator) const {
  const at::NoGradGuard no_grad;
  auto trainer = reading(
      file_, [&] { return std::make_unique<Trainer>(model, options_, std::move(generator)); });
  size_t expected = model.parameters().size();
  for (const StateTensor& state : trainer->optimizer().state()) {
    state.tensor.copy_(read(optimizer_name(state), state.tensor.sizes()));
    ++expected;
  }
  Trainer::Position position = position_;
  for (const ParameterGroup& group : trainer->optimizer().groups()) {
    for (const auto& [name, tensor] : group.parameters) {
      if (position.batches == 0 || checkpoint_.find(gradient_name(name)) == nullptr) continue;
      position.accumulated.push_back(
          {name, read(gradient_name(name), tensor.sizes()).to(tensor.device())});
      ++expected;
    }
  }
  if (checkpoint_.tensors().size() != expected) {
    refuse(file_, "it holds ", checkpoint_.tensors().size(), " tensors, where ", expected,
           " belong to what is trained.");
  }
  trainer->go_to(position);
  return trainer;
}

}  // namespace bertcnn::training
