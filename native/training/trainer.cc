#include "training/trainer.h"

#include <ATen/TensorOperators.h>
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
#include "fault_point.h"
#include "model/windows.h"
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

/// Tokens that guessing masks computes together.
constexpr int64_t kTrainedTokens = 4096;

/// Of a tensor on the CPU; an undefined one has no elements.
std::vector<float> to_vector(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const at::Tensor values = tensor.contiguous();
  const auto* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

double finite(const at::Tensor& loss) {
  const auto value = loss.item<double>();
  if (!std::isfinite(value)) {
    fail("ERR_NON_FINITE", "The loss is ", value, "; the step was not taken.");
  }
  return value;
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

int64_t each_masked_run(const kernels::PackedBatch& batch, const MaskedLanguage& language,
                        uint64_t number, int64_t most_tokens,
                        const std::function<void(const MaskedRun&)>& use) {
  const MaskedTokens tokens = mask_tokens(batch.input_ids, language.masking, number);
  const int64_t total = tokens.places.numel();
  kernels::PackedBatch masked = batch;
  masked.input_ids = tokens.input_ids;
  const at::Tensor places = tokens.places.to(at::kCPU);
  const auto* place = places.const_data_ptr<int64_t>();
  int64_t begin = 0;  // of the run's places
  for (int64_t first = 0; first < batch.sequences();) {
    const int64_t end = model::end_of_run(batch, first, batch.sequences(), most_tokens);
    const int64_t behind =
        std::lower_bound(place + begin, place + total, batch.offsets[end]) - place;
    const int64_t count = behind - begin;
    if (count > 0) {
      use({masked.slice(first, end), tokens.places.narrow(0, begin, count) - batch.offsets[first],
           tokens.targets.narrow(0, begin, count),
           static_cast<double>(count) / static_cast<double>(total)});
    }
    begin = behind;
    first = end;
  }
  return total;
}

at::Tensor masked_language_loss(const model::BertCnn& model, const MaskedLanguage& language,
                                const MaskedRun& run, const kernels::ForwardContext& context) {
  const at::Tensor hidden = model.last_hidden_state(run.batch, context).index_select(0, run.places);
  return at::cross_entropy_loss(language.head.forward(hidden, model.word_embeddings(), context),
                                run.targets);
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
  fault_point("update");
  const double multiplier = learning_rate_multiplier(options_, steps_);
  const bool updates = batches_ + 1 == options_.gradient_accumulation_steps;
  // Before anything changes, so that nothing that could fail is left when it has.
  TrainerStep result{steps_ + (updates ? 1 : 0), updates, loss,
                     to_vector(logits),          norm,    learning_rates(multiplier)};
  if (updates) {
    clip_gradients(norm);
    optimizer_->step(multiplier);
    accumulated_.clear();
    batches_ = 0;
    ++steps_;
  } else {
    accumulate();
    ++batches_;
  }
  return result;
}

std::pair<at::Tensor, double> Trainer::backward(const kernels::PackedBatch& batch,
                                                const at::Tensor& targets,
                                                const kernels::ForwardContext& context) {
  if (masked_language_) return {at::Tensor(), backward_masked(batch, context)};
  const at::Tensor logits = forward(batch, context);
  const at::Tensor loss = loss_(logits, targets);
  const double value = finite(loss);
  context.check_cancelled();
  fault_point("backward");
  propagate(loss);
  return {logits.detach().to(at::kCPU), value};
}

void Trainer::propagate(const at::Tensor& loss) const {
  const int64_t batches = options_.gradient_accumulation_steps;
  (batches == 1 ? loss : loss.div(batches)).backward();
}

/// Run by run, so that memory does not grow with the batch.
double Trainer::backward_masked(const kernels::PackedBatch& batch,
                                const kernels::ForwardContext& context) {
  const auto number =
      static_cast<uint64_t>(steps_ * options_.gradient_accumulation_steps + batches_);
  double sum = 0;
  const int64_t tokens =
      each_masked_run(batch, *masked_language_, number, kTrainedTokens, [&](const MaskedRun& run) {
        const at::Tensor mean = masked_language_loss(model_, *masked_language_, run, context);
        const at::Tensor loss = run.share == 1 ? mean : mean * run.share;
        sum += finite(loss);
        context.check_cancelled();
        propagate(loss);
      });
  if (tokens == 0) {
    fail("ERR_INVALID_INPUT", "Expected at least one token to mask, but all are special tokens.");
  }
  return sum;
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
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& weight : weights_) gradients.push_back(weight.grad());
  accumulated_ = std::move(gradients);
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
