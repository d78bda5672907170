#include "kernels/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "kernels/trained_activation.h"
#include "kernels/trained_linear.h"

namespace bertcnn::kernels {

Linear::Linear(int64_t in, int64_t out, const at::TensorOptions& options)
    : plain_{at::empty({out, in}, options), at::zeros({out}, options)} {}

at::Tensor Linear::forward(const at::Tensor& x) const {
  return trained_linear(x, plain_);
}

at::Tensor Linear::train(const at::Tensor& x, const ForwardContext& context) const {
  return trained_linear(x, plain_, trained_type(context), context.casts);
}

Product Linear::forward(const Operand& x, const ForwardContext& context) const {
  if (context.arithmetic == Arithmetic::autograd) return {train(x.values, context)};
  return packed_.multiply(x);
}

Operand Linear::forward(const Operand& x, Activation activation,
                        const ForwardContext& context) const {
  if (context.arithmetic == Arithmetic::autograd) {
    return {trained_activation(train(x.values, context), activation)};
  }
  return packed_.multiply(x, activation);
}

void Linear::parameters(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + "weight", plain_.weight});
  list.push_back({prefix + "bias", plain_.bias});
}

void Linear::pack(Arithmetic arithmetic, LayerNorm* before) {
  packed_.update({&plain_, 1}, arithmetic, before);
}

void Linear::release() const {
  release_memory({&plain_, 1});
}

bool Linear::restore() const {
  return packed_.restore({&plain_, 1});
}

bool Linear::is_packed() const {
  return packed_.packs({&plain_, 1});
}

}  // namespace bertcnn::kernels
