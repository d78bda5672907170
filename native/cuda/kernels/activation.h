// The activation of a product and its bias, in place: cublasLt's own epilogue has GELU in its tanh
// form only, and BERT's is the exact one.
#pragma once

#include <cmath>

#include "cuda/kernels/both.h"
#include "kernels/activation_name.h"

namespace bertcnn::cuda {

struct ActivationTask {
  void* values;       // [rows, columns]
  const float* bias;  // [columns]
  int64_t rows;
  int64_t columns;
  kernels::Activation activation;
};

BERTCNN_BOTH float gelu(float x) {
  constexpr float kSqrtHalf = 0.70710678118654752F;
  return 0.5F * x * (1.0F + erff(x * kSqrtHalf));
}

BERTCNN_BOTH float gelu_tanh(float x) {
  constexpr float kSqrtTwoOverPi = 0.79788456080286536F;
  return 0.5F * x * (1.0F + tanhf(kSqrtTwoOverPi * (x + 0.044715F * x * x * x)));
}

BERTCNN_BOTH float sigmoid(float x) {
  return 1.0F / (1.0F + expf(-x));
}

BERTCNN_BOTH float activated(float x, kernels::Activation activation) {
  switch (activation) {
    case kernels::Activation::gelu:
      return gelu(x);
    case kernels::Activation::gelu_tanh:
      return gelu_tanh(x);
    case kernels::Activation::gelu_clipped:
      return fminf(fmaxf(gelu(x), -10.0F), 10.0F);
    case kernels::Activation::quick_gelu:
      return x * sigmoid(1.702F * x);
    case kernels::Activation::relu:
      return x > 0.0F ? x : 0.0F;
    case kernels::Activation::silu:
      return x * sigmoid(x);
    case kernels::Activation::tanh:
      return tanhf(x);
  }
  return x;
}

/// The pack with this number, counted row by row; the columns are a multiple of its width.
template <int kWidth, typename T>
BERTCNN_BOTH void activate_pack(const ActivationTask& task, int64_t number) {
  T* values = static_cast<T*>(task.values) + number * kWidth;
  const auto bias = load_pack<kWidth>(task.bias + number * kWidth % task.columns);
  auto pack = load_pack<kWidth>(values);
  for (int j = 0; j < kWidth; ++j) {
    const float x = static_cast<float>(pack.values[j]) + bias.values[j];
    pack.values[j] = static_cast<T>(activated(x, task.activation));
  }
  store_pack<kWidth>(values, pack);
}

}  // namespace bertcnn::cuda
