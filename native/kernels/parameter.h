#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace bertcnn::kernels {

/// A weight under its name in the state dict. The tensor is a handle: the model holds the same one.
struct Parameter {
  std::string name;
  at::Tensor tensor;
};

using ParameterList = std::vector<Parameter>;

}  // namespace bertcnn::kernels
