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

  /// Prepares operands in int8 for products with these weights, `[..., size]`: some columns of a
  /// normalized row are many times as large as the others, which leaves those few levels. So every
  /// column is divided by a number of its own, which is returned, `[size]`, and which the weights
  /// have to be multiplied by (SmoothQuant; Xiao et al., 2023). How large a column gets is taken
  /// from the layer norm's own weight and bias.
  at::Tensor smooth(const at::Tensor& weights);

  void parameters(const std::string& prefix, ParameterList& list) const;
  LayerNormWeights weights() const { return {weight_, bias_, epsilon_, operand_factors_}; }

 private:
  int64_t size_;
  double epsilon_;
  at::Tensor weight_;
  at::Tensor bias_;
  at::Tensor operand_factors_;  // 1 / what `smooth` returned
};

}  // namespace bertcnn::kernels
