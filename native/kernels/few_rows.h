// Products of few rows in float32, where the time goes into reading the weight.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "kernels/activation.h"

namespace bertcnn::kernels {

/// Rows up to which `few_rows_linear` is faster than oneDNN.
constexpr int64_t kMostFewRows = 24;

/// Whether `few_rows_linear` can multiply weights `[out, in]` that `onednn::pack` packed: this
/// processor has AVX-512, and oneDNN lays such a weight out in whole panels of 64 outputs. That is
/// found out by packing one, once a process for each shape.
bool few_rows_supports(int64_t in, int64_t out);

/// activation(x W^T + b). x: `[T, in]` with T from 1 to `kMostFewRows`; packed: W as `onednn::pack`
/// gives it, of a supported shape; bias: `[out]`.
at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                           std::optional<Activation> activation = std::nullopt);

}  // namespace bertcnn::kernels
