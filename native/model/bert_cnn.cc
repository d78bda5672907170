#include "model/bert_cnn.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "error.h"
#include "kernels/cpu/rows.h"
#include "kernels/dropout.h"
#include "model/windows.h"

namespace bertcnn::model {

using kernels::Arithmetic;
using kernels::ForwardContext;
using kernels::HiddenStates;
using kernels::PackedBatch;
using kernels::Parameter;
using kernels::ParameterList;

namespace {

constexpr std::string_view kEncoder = "bert.";
constexpr std::string_view kPooler = "bert.pooler.";
constexpr std::string_view kLayerMix = "layer_mix";
constexpr std::string_view kLayerNorm = "LayerNorm.";

at::TensorOptions weight_options(at::Device device) {
  return at::TensorOptions().dtype(at::kFloat).device(device);
}

kernels::ConvolutionForm convolution_form(const BertCnnConfig& config) {
  return {config.filter_sizes, config.num_filters, config.head.activation, config.head.pooling};
}

/// Draws on the CPU, so that a seed gives the same weights on every device.
template <typename Draw>
void draw(const at::Tensor& weight, Draw&& draw_into) {
  const at::NoGradGuard no_grad;
  const at::Tensor host = at::empty(weight.sizes(), at::TensorOptions().dtype(at::kFloat));
  draw_into(host);
  weight.copy_(host);
}

/// A card leaves hidden states in the precision of its products; training wants float32.
void widen(HiddenStates& hidden, std::vector<at::Tensor>* states) {
  if (!hidden.values.defined() || hidden.values.scalar_type() == at::kFloat) return;
  hidden.values = hidden.values.to(at::kFloat);
  hidden.operand = {hidden.values};
  if (states == nullptr) return;
  for (at::Tensor& state : *states) state = state.to(at::kFloat);
}

}  // namespace

TextCnn::TextCnn(const BertCnnConfig& config, const at::TensorOptions& options)
    : config_(config.head),
      dropout_(config.dropout),
      numbered_(config.numbers_convolutions()),
      convolutions_(config_.input_size(config.bert.hidden_size), convolution_form(config), options),
      classifier_(convolution_form(config).features(), config.num_labels(), options) {
  if (config_.mixes()) layer_mix_ = at::zeros({config_.hidden_layers}, options);
  if (config_.layer_norm) {
    layer_norm_.emplace(convolution_form(config).features(), config.bert.layer_norm_eps, options);
  }
}

at::Tensor TextCnn::combine(const std::vector<at::Tensor>& states) const {
  if (!config_.means()) return at::cat(states, 1);
  at::Tensor sum = states[0];
  for (size_t i = 1; i < states.size(); ++i) sum = sum + states[i];
  return sum / static_cast<double>(states.size());
}

at::Tensor TextCnn::mixed(const at::Tensor& states) const {
  const at::Tensor weights = at::softmax(layer_mix_, 0);
  const std::vector<at::Tensor> parts = states.chunk(config_.hidden_layers, 1);
  at::Tensor sum = parts[0] * weights[0];
  for (int64_t i = 1; i < config_.hidden_layers; ++i) sum = sum + parts[i] * weights[i];
  return sum;
}

/// What the convolutions multiply.
HiddenStates TextCnn::inputs(const HiddenStates& hidden, const ForwardContext& context) const {
  if (hidden.operand.values.defined() && config_.hidden_layers == 1) return hidden;
  const at::Tensor values = config_.mixes() ? mixed(hidden.values) : hidden.values;
  if (context.arithmetic == Arithmetic::autograd) return {values, {values}};
  return {values, kernels::operand_of(values, context.arithmetic)};
}

at::Tensor TextCnn::forward(const HiddenStates& hidden, const PackedBatch& batch,
                            const ForwardContext& context) const {
  return logits(convolutions_.forward(inputs(hidden, context), batch, context), context);
}

at::Tensor TextCnn::logits(at::Tensor features, const ForwardContext& context) const {
  if (layer_norm_) features = layer_norm_->forward(features);
  return classifier_.forward(kernels::dropout(features, dropout_, context));
}

HeadProducts TextCnn::products(const HiddenStates& hidden, const PackedBatch& batch,
                               const ForwardContext& context) const {
  const auto on_host = [](const at::Tensor& x) { return x.detach().to(at::kCPU).contiguous(); };
  const HiddenStates states = inputs(hidden, context);
  ParameterList classifier;
  classifier_.parameters("", classifier);
  return {.form = convolutions_.form(),
          .rows = convolutions_.rows(),
          .values = on_host(convolutions_.products(states, context)),
          .biases = on_host(convolutions_.stacked_bias()),
          .weight = on_host(classifier.at(0).tensor),
          .bias = on_host(classifier.at(1).tensor),
          .logits = on_host(forward(hidden, batch, context))};
}

void TextCnn::parameters(ParameterList& list) const {
  if (layer_mix_.defined()) list.push_back({std::string(kLayerMix), layer_mix_});
  convolutions_.parameters(numbered_, list);
  convolutions_.pooling_parameters(numbered_, list);
  if (layer_norm_) layer_norm_->parameters(std::string(kLayerNorm), list);
  classifier_.parameters("fc.", list);
}

BertCnn::BertCnn(BertCnnConfig config, at::Device device)
    : config_(std::move(config)),
      device_(device),
      bert_(config_.bert, weight_options(device)),
      head_(config_, weight_options(device)) {
  bert_.parameters(std::string(kEncoder), parameters_);
  head_.parameters(parameters_);
  set_freeze(config_.freeze);
}

BertCnn::FreezeState BertCnn::set_freeze(const Freeze& freeze) {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters_) names.push_back(parameter.name);
  const int64_t layers = config_.bert.num_hidden_layers;
  FreezeState state;
  state.trained = trained_names(freeze, names, layers, config_.freeze_source);
  state.freeze = freeze;
  state.source = FreezeSource::option;  // whatever comes next is the caller's
  state.blocks = frozen_blocks(state.trained, layers);
  exchange_freeze(state);
  return state;
}

void BertCnn::exchange_freeze(FreezeState& state) noexcept {
  std::swap(trained_, state.trained);
  std::swap(config_.freeze, state.freeze);
  std::swap(config_.freeze_source, state.source);
  std::swap(frozen_blocks_, state.blocks);
  for (const Parameter& parameter : parameters_) {
    parameter.tensor.set_requires_grad(is_trained(parameter.name));
  }
}

void BertCnn::set_calibration(Calibration calibration) {
  check_calibration(calibration, config_.problem_type, config_.num_labels(),
                    CalibrationSource::caller);
  config_.calibration = std::move(calibration);
}

int64_t BertCnn::feature_size() const {
  const int64_t size = config_.bert.hidden_size;
  return config_.head.mixes() ? config_.head.hidden_layers * size : config_.head.input_size(size);
}

HiddenStates BertCnn::encode(const PackedBatch& batch, const ForwardContext& context) const {
  if (config_.head.hidden_layers == 1) return run_encoder(batch, context, nullptr);
  std::vector<at::Tensor> states;
  run_encoder(batch, context, &states);
  states.erase(states.begin(), states.end() - config_.head.hidden_layers);
  return {head_.combine(states), {}};
}

/// With the output of every block, if `states` is given.
HiddenStates BertCnn::run_encoder(const PackedBatch& batch, const ForwardContext& context,
                                  std::vector<at::Tensor>* states) const {
  ForwardContext of_frozen = context;
  of_frozen.training = false;
  of_frozen.autocast_bfloat16 = false;
  of_frozen.checkpointing = false;
  of_frozen.arithmetic = arithmetic_;
  if (!context.training) return bert_.forward({}, batch, of_frozen, {0, bert_.blocks()}, states);
  if (released_layers_ > frozen_layers()) {
    fail("ERR_INTERNAL", "The plain weights of layers that are trained were released.");
  }
  ForwardContext of_trained = context;
  of_trained.arithmetic = Arithmetic::autograd;
  HiddenStates hidden;
  {
    const at::NoGradGuard no_grad;
    hidden = bert_.forward({}, batch, of_frozen, {0, frozen_blocks_}, states);
    widen(hidden, states);
  }
  return bert_.forward(std::move(hidden), batch, of_trained, {frozen_blocks_, bert_.blocks()},
                       states);
}

HeadProducts BertCnn::head_products(const PackedBatch& batch, const ForwardContext& context) const {
  ForwardContext of_head = context;
  of_head.training = false;
  const HiddenStates hidden =
      batch.windows ? HiddenStates{encode_texts(batch, of_head), {}} : encode(batch, of_head);
  of_head.arithmetic = arithmetic_;
  return head_.products(hidden, batch.joined(), of_head);
}

ParameterList BertCnn::trained_parameters() const {
  ParameterList list;
  for (const Parameter& parameter : parameters_) {
    if (is_trained(parameter.name)) list.push_back(parameter);
  }
  return list;
}

const at::Tensor& BertCnn::word_embeddings() const {
  return parameters_.front().tensor;  // of the state dict's order
}

at::Tensor BertCnn::forward(const PackedBatch& batch, const ForwardContext& context) const {
  if (batch.windows) return classify_windows(batch, context);
  return classify(encode(batch, context), batch, context);
}

at::Tensor BertCnn::classify(const HiddenStates& hidden, const PackedBatch& batch,
                             const ForwardContext& context) const {
  ForwardContext of_head = context;
  of_head.arithmetic = context.training ? Arithmetic::autograd : arithmetic_;
  return head_.forward(hidden, batch, of_head);
}

at::Tensor BertCnn::classify(const at::Tensor& hidden, const PackedBatch& batch,
                             const ForwardContext& context) const {
  if (batch.windows) {
    return classify(keep_windows(hidden, batch), batch.joined(), context);
  }
  return classify(HiddenStates{hidden, {}}, batch, context);
}

void BertCnn::pack(Arithmetic arithmetic, bool release_encoder) {
  const at::NoGradGuard no_grad;
  bert_.pack(arithmetic, release_encoder);
  if (release_encoder) released_layers_ = config_.bert.num_hidden_layers;
  head_.pack(arithmetic);
  arithmetic_ = arithmetic;
}

void BertCnn::release_encoder(int64_t layers) {
  if (arithmetic_ == Arithmetic::autograd) return;
  bert_.release(released_layers_, layers);
  released_layers_ = std::max(released_layers_, layers);
}

void BertCnn::restore_encoder(int64_t layers, const Reload& reload) {
  if (released_layers_ <= layers) return;
  try {
    if (!bert_.restore(layers, released_layers_)) {
      reload(matrices(layers, released_layers_));
      if (!bert_.is_packed(layers, released_layers_)) {
        fail(
            "ERR_CHECKPOINT_MISMATCH",
            "The files that the model was loaded from hold other weights now. It keeps its encoder "
            "in a lower precision and needs them to save it or to train.");
      }
    }
  } catch (...) {
    bert_.release(layers, released_layers_);
    throw;
  }
  released_layers_ = layers;
}

bool BertCnn::can_release(int64_t layers) const {
  return arithmetic_ == Arithmetic::float32 || bert_.is_packed(0, layers);
}

ParameterList BertCnn::matrices(int64_t first_layer, int64_t last_layer) const {
  ParameterList list;
  for (const Parameter& parameter : parameters_) {
    const std::optional<int64_t> layer = encoder_layer(parameter.name);
    if (layer && *layer >= first_layer && *layer < last_layer && parameter.tensor.dim() == 2) {
      list.push_back(parameter);
    }
  }
  return list;
}

void BertCnn::initialize(const std::vector<std::string>& names, at::Generator& generator) {
  const std::set<std::string_view> wanted(names.begin(), names.end());
  double bound = 0;
  for (const Parameter& parameter : parameters_) {
    const at::Tensor& weight = parameter.tensor;
    const bool bias = weight.dim() == 1;
    if (!bias) {
      // Of the bias as well, which follows its weight in the list.
      const int64_t fan_in = weight.numel() / weight.size(0);
      bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
    }
    if (!wanted.contains(parameter.name)) continue;
    if (parameter.name.starts_with(kLayerNorm)) {
      draw(weight, [&](const at::Tensor& host) { host.fill_(parameter.name.ends_with("weight")); });
    } else if (parameter.name == kLayerMix) {
      draw(weight, [](const at::Tensor& host) { host.zero_(); });  // equal shares
    } else if (!parameter.name.starts_with(kEncoder)) {
      draw(weight, [&](const at::Tensor& host) { host.uniform_(-bound, bound, generator); });
    } else if (parameter.name.starts_with(kPooler)) {
      draw(weight, [&](const at::Tensor& host) {
        if (bias) {
          host.zero_();
        } else {
          host.normal_(0, config_.bert.initializer_range, generator);
        }
      });
    }
  }
}

}  // namespace bertcnn::model
