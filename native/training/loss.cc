#include "training/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "error.h"

namespace bertcnn::training {
namespace {

using Labels = std::vector<std::string>;
using Weights = std::vector<double>;

constexpr double kLargestGamma = 100;

void check_problem_type(const LossOptions& options, model::ProblemType type) {
  const auto check = [type](bool given, model::ProblemType wanted, const char* option) {
    if (!given || type == wanted) return;
    fail("ERR_INVALID_ARGUMENT", "Expected no ", option, ": it is for ", model::name_of(wanted),
         ", the problem type is ", model::name_of(type), ".");
  };
  using enum model::ProblemType;
  check(!options.class_weights.empty(), single_label, "classWeights");
  check(!options.class_counts.empty(), single_label, "classCounts");
  check(options.label_smoothing != 0, single_label, "labelSmoothing");
  if (options.focal_gamma != 0 && type == regression) {
    fail("ERR_INVALID_ARGUMENT", "Expected no focalGamma: the problem type is regression.");
  }
  check(!options.pos_weight.empty(), multi_label, "posWeight");
}

void check_size(size_t size, const Labels& labels, const char* option) {
  if (size == labels.size()) return;
  fail("ERR_INVALID_ARGUMENT", "Expected ", labels.size(), " values, one a label, for ", option,
       " but received ", size, ".");
}

/// None where none are given; not all 0, or no target would count.
Weights check_weights(const Weights& weights, const Labels& labels, const char* option) {
  if (weights.empty()) return weights;
  check_size(weights.size(), labels, option);
  for (size_t i = 0; i < weights.size(); ++i) {
    // as float32, in which the loss is computed
    if (weights[i] >= 0 && std::isfinite(static_cast<float>(weights[i]))) continue;
    fail("ERR_INVALID_ARGUMENT", "Expected a finite number of 0 or more for label '", labels[i],
         "' in ", option, " but received ", weights[i], ".");
  }
  if (std::ranges::all_of(weights, [](double weight) { return weight == 0; })) {
    fail("ERR_INVALID_ARGUMENT", "Expected a number above 0 for at least one label in ", option,
         " but all are 0.");
  }
  return weights;
}

Weights balanced(const std::vector<int64_t>& counts, const Labels& labels) {
  check_size(counts.size(), labels, "classCounts");
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) continue;
    fail("ERR_INVALID_ARGUMENT", "Expected at least 1 row for label '", labels[i],
         "' in classCounts but received ", counts[i], ".");
  }
  const double rows = std::accumulate(counts.begin(), counts.end(), 0.0);
  Weights weights;
  for (const int64_t count : counts) {
    weights.push_back(rows / (static_cast<double>(counts.size()) * static_cast<double>(count)));
  }
  return weights;
}

Weights weights_of(const LossOptions& options, const Labels& labels) {
  if (!options.pos_weight.empty()) return check_weights(options.pos_weight, labels, "posWeight");
  if (options.class_counts.empty()) {
    return check_weights(options.class_weights, labels, "classWeights");
  }
  if (!options.class_weights.empty()) {
    fail("ERR_INVALID_ARGUMENT", "Expected either classWeights or classCounts but received both.");
  }
  return balanced(options.class_counts, labels);
}

/// `loss` times (1 - e^-entropy)^gamma, element by element. At 0 a power below 1 has no slope.
at::Tensor focused(const at::Tensor& loss, const at::Tensor& entropy, double gamma) {
  constexpr double kLeast = 1e-8;
  return loss * (-at::expm1(-entropy)).clamp_min(kLeast).pow(gamma);
}

at::Tensor focal_cross_entropy(const at::Tensor& logits, const at::Tensor& targets,
                               const std::optional<at::Tensor>& weight, double gamma) {
  const at::Tensor entropy =
      at::cross_entropy_loss(logits, targets, /*weight=*/{}, at::Reduction::None);
  if (!weight) return focused(entropy, entropy, gamma).mean();
  const at::Tensor weights = weight->index_select(0, targets);
  return focused(weights * entropy, entropy, gamma).sum() / weights.sum();
}

at::Tensor focal_binary_cross_entropy(const at::Tensor& logits, const at::Tensor& targets,
                                      const std::optional<at::Tensor>& weight, double gamma) {
  const auto entropy = [&](const std::optional<at::Tensor>& pos_weight) {
    return at::binary_cross_entropy_with_logits(logits, targets, /*weight=*/{}, pos_weight,
                                                at::Reduction::None);
  };
  // 1 - p, where p is the probability of the target, which may be a share: p t + (1 - p) (1 - t).
  const at::Tensor probability = logits.sigmoid();
  const at::Tensor missed = probability + targets - 2 * probability * targets;
  return (entropy(weight) * missed.clamp_min(1e-8).pow(gamma)).mean();
}

}  // namespace

Loss::Loss(const LossOptions& options, const model::BertCnnConfig& config, c10::Device device)
    : problem_type_(config.problem_type),
      label_smoothing_(options.label_smoothing),
      focal_gamma_(options.focal_gamma) {
  check_problem_type(options, config.problem_type);
  if (!(label_smoothing_ >= 0 && label_smoothing_ < 1)) {
    fail("ERR_INVALID_ARGUMENT", "Expected a number from 0 to below 1 for labelSmoothing ",
         "but received ", label_smoothing_, ".");
  }
  if (!(focal_gamma_ >= 0 && focal_gamma_ <= kLargestGamma)) {
    fail("ERR_INVALID_ARGUMENT", "Expected a number from 0 to ", kLargestGamma,
         " for focalGamma but received ", focal_gamma_, ".");
  }
  if (focal_gamma_ != 0 && label_smoothing_ != 0) {
    fail("ERR_INVALID_ARGUMENT", "Expected either focalGamma or labelSmoothing but received both.");
  }
  const Weights weights = weights_of(options, config.labels);
  if (!weights.empty()) weight_ = at::tensor(weights, at::kFloat).to(device);
}

at::Tensor Loss::operator()(const at::Tensor& logits, const at::Tensor& targets) const {
  const auto weight = weight_.defined() ? std::optional(weight_) : std::nullopt;
  switch (problem_type_) {
    case model::ProblemType::single_label:
      if (focal_gamma_ != 0) return focal_cross_entropy(logits, targets, weight, focal_gamma_);
      return at::cross_entropy_loss(logits, targets, weight, at::Reduction::Mean,
                                    /*ignore_index=*/-100, label_smoothing_);
    case model::ProblemType::multi_label:
      if (focal_gamma_ != 0) {
        return focal_binary_cross_entropy(logits, targets, weight, focal_gamma_);
      }
      return at::binary_cross_entropy_with_logits(logits, targets, /*weight=*/{},
                                                  /*pos_weight=*/weight);
    case model::ProblemType::regression:
      return at::mse_loss(logits, targets);
  }
  fail("ERR_INTERNAL", "Unknown problem type ", static_cast<int>(problem_type_), ".");
}

}  // namespace bertcnn::training
