// What goes into products with weights and what comes out of them, in any arithmetic.
#pragma once

#include <ATen/core/Tensor.h>

namespace bertcnn::kernels {

/// The left side of a product, `[T, in]`: float32 or bfloat16, or uint8 with a scale and a zero
/// point for each row, where the values stand for `scales[t] * (values[t] - zeros[t])`.
struct Operand {
  at::Tensor values;
  at::Tensor scales;  // [T] float32; undefined unless the values are uint8
  at::Tensor zeros;   // [T] float32
};

/// The result of a product, `[T, out]`. Of integers it stands for
/// `scales[t] * (values[t, n] - zeros[t] * column_sums[n]) + bias[n]`; else for `values`.
struct Product {
  at::Tensor values;
  at::Tensor scales;       // [T], the operand's; undefined unless of integers
  at::Tensor zeros;        // [T]
  at::Tensor column_sums;  // [out], of the weights' rows
  at::Tensor bias;         // [out]
};

/// The encoder's state between two layers: float32 for the residual connection, and the same as an
/// operand for the next product.
struct HiddenStates {
  at::Tensor values;  // [T, H]
  Operand operand;
};

}  // namespace bertcnn::kernels
