#include "training/trainer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include "error.h"
#include "training/parameter_groups.h"
#include "training/schedule.h"

namespace bertcnn::training {
namespace {

std::vector<at::Tensor> weights_of(const Optimizer& optimizer) {
  std::vector<at::Tensor> weights;
  for (const ParameterGroup& group : optimizer.groups()) {
    for (const auto& parameter : group.parameters) weights.push_back(parameter.tensor);
  }
  return weights;
}

/// What faster steps are worth in memory, unless checkpointing asks for little of it.
constexpr double kMemoryOnTop = 0.25;

void check_feature_cache(const FeatureCacheOptions& options, const model::BertCnn& model) {
  if (model.config().padding == model::Padding::include) {
    fail("ERR_INVALID_ARGUMENT",
         "Expected no options.featureCache with padding 'include', where a row's hidden states "
         "depend on its batch.");
  }
  std::error_code error;
  if (!options.directory.empty() && !std::filesystem::is_directory(options.directory, error)) {
    fail("ERR_INVALID_ARGUMENT",
         "Expected an existing directory for options.featureCache.directory but received '",
         options.directory, "'.");
  }
}

}  // namespace

at::Tensor masked_language_loss(const model::BertCnn& model, const model::MaskedLanguageHead& head,
                                const kernels::PackedBatch& masked, const MaskedTokens& tokens,
                                const kernels::ForwardContext& context) {
  const at::Tensor hidden = model.last_hidden_state(masked, context).index_select(0, tokens.places);
  return at::cross_entropy_loss(head.forward(hidden, model.word_embeddings(), context),
                                tokens.targets);
}

Trainer::Trainer(const model::BertCnn& model, const TrainingOptions& options,
                 at::Generator generator, const MaskedLanguage* masked_language)
    : memory_(options.gradient_checkpointing ? 0 : kMemoryOnTop),
      model_(model),
      masked_language_(masked_language),
      options_(options),
      loss_(options.loss, model.config(), model.device()),
      optimizer_(make_trained_optimizer()),
      generator_(std::move(generator)),
      weights_(weights_of(*optimizer_)) {
  if (!options.feature_cache.enabled) return;
  check_feature_cache(options.feature_cache, model);
  features_.emplace(options.feature_cache);
}

TrainerStep Trainer::step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                          const std::function<bool()>& cancelled) {
  const at::Tensor generator_state = generator_.get_state();
  try {
    TrainerStep result = try_step(batch, targets, cancelled);
    clear_gradients();
    return result;
  } catch (...) {
    clear_gradients();
    generator_.set_state(generator_state);
    throw;
  }
}

TrainerStep Trainer::try_step(const kernels::PackedBatch& batch, const at::Tensor& targets,
                              const std::function<bool()>& cancelled) {
  kernels::ForwardContext context{true, generator_, cancelled};
  context.autocast_bfloat16 = options_.bfloat16.value_or(false);
  context.checkpointing = options_.gradient_checkpointing;
  const auto [logits, loss] = backward(batch, targets, context);
  add_accumulated();
  const double norm = grad_norm();
  context.check_cancelled();
  const double multiplier = learning_rate_multiplier(options_, steps_);
  const bool updated = batches_ + 1 == options_.gradient_accumulation_steps;
  if (updated) {
    clip_gradients(norm);
    optimizer_->step(multiplier);
    accumulated_.clear();
    batches_ = 0;
    ++steps_;
  } else {
    accumulate();
    ++batches_;
  }
  return {steps_, updated, loss, logits, norm, learning_rates(multiplier)};
}

std::pair<at::Tensor, double> Trainer::backward(const kernels::PackedBatch& batch,
                                                const at::Tensor& targets,
                                                const kernels::ForwardContext& context) {
  kernels::PackedBatch masked;  // outlives the graph, which refers to it
  at::Tensor logits;
  at::Tensor loss;
  if (masked_language_) {
    const MaskedTokens tokens = mask_tokens(batch.input_ids, masked_language_->masking, generator_);
    masked = batch;
    masked.input_ids = tokens.input_ids;
    loss = masked_language_loss(model_, masked_language_->head, masked, tokens, context);
  } else {
    logits = forward(batch, context);
    loss = loss_(logits, targets);
  }
  const double value = loss.item<double>();
  if (!std::isfinite(value)) {
    fail("ERR_NON_FINITE", "The loss is ", value, "; the step was not taken.");
  }
  context.check_cancelled();
  const int64_t batches = options_.gradient_accumulation_steps;
  (batches == 1 ? loss : loss.div(batches)).backward();
  return {logits.defined() ? logits.detach().to(at::kCPU) : logits, value};
}

kernels::ParameterList Trainer::trained() const {
  kernels::ParameterList list = model_.trained_parameters();
  if (!masked_language_) return list;
  std::erase_if(list, [](const auto& parameter) { return !parameter.name.starts_with("bert."); });
  if (list.empty()) {
    fail("ERR_INVALID_ARGUMENT",
         "Guessing masked tokens trains the encoder, which is frozen. Change what is frozen "
         "first.");
  }
  const auto& head = masked_language_->head.parameters();
  list.insert(list.end(), head.begin(), head.end());
  return list;
}

std::unique_ptr<Optimizer> Trainer::make_trained_optimizer() const {
  const int64_t layers = model_.config().bert.num_hidden_layers;
  return make_optimizer(parameter_groups(trained(), layers, options_), options_);
}

at::Tensor Trainer::forward(const kernels::PackedBatch& batch,
                            const kernels::ForwardContext& context) {
  if (!features_ || !model_.encoder_is_frozen()) return model_.forward(batch, context);
  return model_.classify(features_->encode(model_, batch, context), batch, context);
}

at::Tensor Trainer::predict(const kernels::PackedBatch& batch,
                            const std::function<bool()>& cancelled) {
  return forward(batch, {false, generator_, cancelled});
}

/// Into the new gradients: those that were there stay as they are until the step is taken.
void Trainer::add_accumulated() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < accumulated_.size(); ++i) {
    if (!accumulated_[i].defined()) continue;
    at::Tensor& gradient = weights_[i].mutable_grad();
    gradient = gradient.defined() ? gradient.add_(accumulated_[i]) : accumulated_[i].clone();
  }
}

double Trainer::grad_norm() const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> norms;
  for (const at::Tensor& weight : weights_) {
    if (weight.grad().defined()) norms.push_back(at::linalg_vector_norm(weight.grad()));
  }
  const double norm = at::linalg_vector_norm(at::stack(norms)).item<double>();
  if (!std::isfinite(norm)) {
    fail("ERR_NON_FINITE", "The norm of the gradients is ", norm, "; the step was not taken.");
  }
  return norm;
}

void Trainer::clip_gradients(double norm) {
  const at::NoGradGuard no_grad;
  // The 1e-6 is that of torch.nn.utils.clip_grad_norm_.
  const double scale = options_.max_grad_norm / (norm + 1e-6);
  if (options_.max_grad_norm == 0 || scale >= 1) return;
  for (const at::Tensor& weight : weights_) {
    if (weight.grad().defined()) weight.mutable_grad().mul_(scale);
  }
}

void Trainer::accumulate() {
  accumulated_.clear();
  for (const at::Tensor& weight : weights_) accumulated_.push_back(weight.grad());
}

void Trainer::clear_gradients() {
  for (const at::Tensor& weight : weights_) weight.mutable_grad().reset();
}

void Trainer::follow_freeze() {
  std::unique_ptr<Optimizer> optimizer = make_trained_optimizer();
  optimizer->take_state(optimizer_->state());
  const std::vector<at::Tensor> weights = weights_of(*optimizer);
  std::vector<at::Tensor> accumulated;
  for (size_t i = 0; batches_ > 0 && i < weights.size(); ++i) {
    const auto former =
        std::find_if(weights_.begin(), weights_.end(),
                     [&](const at::Tensor& weight) { return weight.is_same(weights[i]); });
    accumulated.push_back(former == weights_.end() ? at::Tensor()
                                                   : accumulated_[former - weights_.begin()]);
  }
  optimizer_ = std::move(optimizer);
  weights_ = weights;
  accumulated_ = std::move(accumulated);
  if (features_ && !model_.encoder_is_frozen()) features_->clear();
}

void Trainer::scale_learning_rates(double scale) {
  TrainingOptions options = options_;
  options.learning_rate_scale = scale;
  check(options);
  options_ = std::move(options);
}

FeatureCounts Trainer::feature_counts() const {
  return features_ ? features_->counts() : FeatureCounts();
}

kernels::ParameterList Trainer::accumulated() const {
  kernels::ParameterList gradients;
  size_t i = 0;
  for (const ParameterGroup& group : optimizer_->groups()) {
    for (const kernels::Parameter& parameter : group.parameters) {
      if (i < accumulated_.size() && accumulated_[i].defined()) {
        gradients.push_back({parameter.name, accumulated_[i]});
      }
      ++i;
    }
  }
  return gradients;
}

void Trainer::go_to(const Position& position) {
  std::map<std::string, at::Tensor> gradients;
  for (const auto& [name, gradient] : position.accumulated) gradients[name] = gradient;
  accumulated_.clear();
  for (const ParameterGroup& group : optimizer_->groups()) {
    if (gradients.empty()) break;
    for (const auto& parameter : group.parameters) {
      const auto found = gradients.find(parameter.name);
      accumulated_.push_back(found == gradients.end() ? at::Tensor() : found->second);
    }
  }
  steps_ = position.steps;
  batches_ = position.batches;
}

std::vector<double> Trainer::learning_rates(double multiplier) const {
  std::vector<double> rates;
  for (const ParameterGroup& group : optimizer_->groups()) {
    rates.push_back(group.learning_rate * multiplier);
  }
  return rates;
}

}  // namespace bertcnn::training
