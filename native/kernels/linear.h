#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "kernels/parameter.h"

namespace bertcnn::kernels {

/// y = x W^T + b with W `[out, in]` and b `[out]`, as torch.nn.Linear. The one place where products
/// with weights happen in the encoder and the classifier, so that how they are done is decided
/// here.
class Linear {
 public:
  /// W is not set, b is zero: setting what is then loaded would take as long as loading it.
  Linear(int64_t in, int64_t out, const at::TensorOptions& options);

  /// `[..., in] -> [..., out]`
  at::Tensor forward(const at::Tensor& x) const;
  /// Appends `prefix`weight and `prefix`bias.
  void parameters(const std::string& prefix, ParameterList& list) const;

 private:
  at::Tensor weight_;
  at::Tensor bias_;
};

}  // namespace bertcnn::kernels
