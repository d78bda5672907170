// libtorch's operations on oneDNN that have no C++ function, only a name in the dispatcher.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace bertcnn::kernels::onednn {

/// Lays a weight `[out, in]` of float32 or bfloat16 out for products of any number of rows.
at::Tensor pack(const at::Tensor& weight);
/// fused(x W^T + b). W: packed, or plain and possibly a transposed view; b: undefined for none.
/// `fused`: none, gelu, relu, swish or tanh; `algorithm`: none or tanh, of gelu.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  std::string_view fused, std::string_view algorithm);

/// Lays a weight `[out, in]` of int8 out for products with uint8.
at::Tensor pack_int8(const at::Tensor& weight);
/// scales[n] * sum over k of x[t, k] weight[n, k], in float32. x: `[T, in]` uint8; scales: `[out]`;
/// zeros: `[out]` int32, all zero.
at::Tensor linear_int8(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                       const at::Tensor& zeros);
/// The largest value that an element of x may have, so that no product saturates: 255, or 127 where
/// the processor adds products of 8 bits up in 16 bits (AVX2 without VNNI).
int largest_uint8();

}  // namespace bertcnn::kernels::onednn
