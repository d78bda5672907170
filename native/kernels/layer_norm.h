#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "kernels/cpu/rows.h"
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

  /// From now on operands in int8 are without the bias, `[size]`, which is returned: 8 bits then
  /// have less to span, and what follows adds the bias's product to its own.
  at::Tensor centre_operands();

  void parameters(const std::string& prefix, ParameterList& list) const;
  LayerNormWeights weights() const { return {weight_, bias_, epsilon_, operand_centre_}; }

 private:
  int64_t size_;
  double epsilon_;
  at::Tensor weight_;
  at::Tensor bias_;
  at::Tensor operand_centre_;
};

}  // namespace bertcnn::kernels
