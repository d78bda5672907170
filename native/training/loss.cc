#include "training/loss.h"

#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mse_loss.h>

#include "error.h"

namespace bertcnn::training {

at::Tensor loss(const at::Tensor& logits, const at::Tensor& targets,
                model::ProblemType problem_type) {
  switch (problem_type) {
    case model::ProblemType::single_label:
      return at::cross_entropy_loss(logits, targets);
    case model::ProblemType::multi_label:
      return at::binary_cross_entropy_with_logits(logits, targets);
    case model::ProblemType::regression:
      return at::mse_loss(logits, targets);
  }
  fail("ERR_INTERNAL", "Unknown problem type ", static_cast<int>(problem_type), ".");
}

}  // namespace bertcnn::training
