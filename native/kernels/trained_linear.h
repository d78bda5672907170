#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/forward_context.h"
#include "kernels/packed_weight.h"
#include "kernels/weight_casts.h"

namespace bertcnn::kernels {

/// What training multiplies in. The weights are float32, and so are their gradients.
enum class TrainedType { float32, bfloat16 };

TrainedType trained_type(const ForwardContext& context);

/// x W^T + b on the plain weight, with a backward pass where gradients are wanted. x: `[..., in]`,
/// float32 or bfloat16; the result is of `type`. In float32 on the CPU by whichever library
/// multiplies faster here (see linear_tuning.h): MKL, which libtorch uses, lags far behind oneDNN
/// on processors that are not Intel's. In bfloat16 the weight is cast once, for both passes; where
/// x is computed twice, by `casts` once for all.
at::Tensor trained_linear(const at::Tensor& x, const PlainWeight& plain,
                          TrainedType type = TrainedType::float32, WeightCasts* casts = nullptr);

/// x W^T, multiplied as `trained_linear` does, without a graph.
at::Tensor trained_product(const at::Tensor& x, const at::Tensor& weight, TrainedType type);

}  // namespace bertcnn::kernels
