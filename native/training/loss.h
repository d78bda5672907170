#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "model/bert_cnn_config.h"
#include "training/options.h"

namespace bertcnn::training {

/// The loss that Hugging Face computes for a problem type, with the options of torch.nn.
///
/// - single label: cross entropy, the mean weighted by class_weights as torch.nn.CrossEntropyLoss
///   has it, with label_smoothing. Of class_counts come the weights that scikit-learn calls
///   balanced: rows / (classes * rows of the class).
/// - multi label: binary cross entropy of sigmoid(logits), the mean over all elements, targets of 1
///   weighted by pos_weight as torch.nn.BCEWithLogitsLoss has it.
/// - regression: mean squared error over all elements.
///
/// With focal_gamma a target's share is multiplied by (1 - p)^gamma, where p is the probability
/// that the model gives it (Lin et al., 2017): what it knows already counts little.
class Loss {
 public:
  /// ERR_INVALID_ARGUMENT names an option that is not for the problem type, or a label whose weight
  /// makes no sense.
  Loss(const LossOptions& options, const model::BertCnnConfig& config, c10::Device device);

  /// A scalar. logits: `[B, labels]`; targets: `[B]` int64 for a single label, else `[B, labels]`
  /// float.
  at::Tensor operator()(const at::Tensor& logits, const at::Tensor& targets) const;

 private:
  model::ProblemType problem_type_;
  at::Tensor weight_;  // [labels] float, of classes or of targets of 1; undefined without
  double label_smoothing_;
  double focal_gamma_;
};

}  // namespace bertcnn::training
