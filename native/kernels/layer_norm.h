#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "kernels/forward_context.h"
#include "kernels/operand.h"
#include "kernels/parameter.h"

namespace bertcnn::kernels {

/// Layer normalization over the last dimension with weight and bias (Ba et al., 2016).
class LayerNorm {
 public:
  LayerNorm(int64_t size, double epsilon, const at::TensorOptions& options);

  /// `[..., size] -> [..., size]`
  at::Tensor forward(const at::Tensor& x) const;
  /// LayerNorm(dropout(product) + residual), all `[T, size]`.
  HiddenStates forward(const Product& product, const HiddenStates& residual, double dropout_p,
                       const ForwardContext& context) const;

  void parameters(const std::string& prefix, ParameterList& list) const;
  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }
  double epsilon() const { return epsilon_; }

 private:
  int64_t size_;
  double epsilon_;
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace bertcnn::kernels
