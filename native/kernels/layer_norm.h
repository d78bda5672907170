#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "kernels/parameter.h"

namespace bertcnn::kernels {

/// Layer normalization over the last dimension with weight and bias (Ba et al., 2016).
class LayerNorm {
 public:
  LayerNorm(int64_t size, double epsilon, const at::TensorOptions& options);

  /// `[..., size] -> [..., size]`
  at::Tensor forward(const at::Tensor& x) const;
  void parameters(const std::string& prefix, ParameterList& list) const;

 private:
  int64_t size_;
  double epsilon_;
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace bertcnn::kernels
