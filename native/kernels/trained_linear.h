#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/packed_weight.h"

namespace bertcnn::kernels {

/// x W^T + b with its gradients, for weights that change too often to be packed. x: `[T, in]`, W:
/// `[out, in]`, b: `[out]`. In float32 on the CPU all three products, forward and backward, are
/// those of the library that choose_linear_library names; elsewhere, and where no gradients are
/// wanted, it is at::linear.
at::Tensor trained_linear(const at::Tensor& x, const PlainWeight& plain);

}  // namespace bertcnn::kernels
