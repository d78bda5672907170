#include "kernels/dropout.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <mutex>

namespace bertcnn::kernels {

at::Tensor dropout(const at::Tensor& x, double p, const ForwardContext& context) {
  if (!context.training || p == 0.0) return x;
  if (p == 1.0) return x * at::zeros_like(x);
  at::Tensor scale = at::empty_like(x.detach()).bernoulli_(1.0 - p, context.generator);
  return x * scale.div_(1.0 - p);
}

cpu::Dropout draw_dropout(double p, const ForwardContext& context) {
  if (!context.training || p == 0.0) return {};
  auto* generator = at::check_generator<at::CPUGeneratorImpl>(context.generator);
  const std::scoped_lock lock(generator->mutex_);
  return {.key = generator->random64(), .keep = 1.0 - p};
}

}  // namespace bertcnn::kernels
