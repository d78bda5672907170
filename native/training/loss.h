#pragma once

#include <ATen/core/Tensor.h>

#include "model/bert_cnn_config.h"

namespace bertcnn::training {

/// The loss that Hugging Face computes for `problem_type`, a scalar: mean cross entropy (targets
/// `[B]` int64), mean binary cross entropy over all elements of sigmoid(logits), or mean squared
/// error over all elements (targets `[B, labels]` float). logits: `[B, labels]`.
at::Tensor loss(const at::Tensor& logits, const at::Tensor& targets,
                model::ProblemType problem_type);

}  // namespace bertcnn::training
