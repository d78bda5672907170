// The convolution bank behind its product: sums along the windows and their maxima by sequence, in
// one pass over the product.
#pragma once

#include <cmath>

#include "cuda/kernels/both.h"

namespace bertcnn::cuda {

constexpr int kMostKernelSizes = 16;

/// product: rows at a distance of `stride`, which hold for each kernel size its places, for each
/// place its filters. The features are `[B, kernel sizes * filters]`: ReLU(max over windows +
/// bias). A sequence that is shorter than a kernel has one window, with zeros behind it; so has one
/// of no tokens, which pads a graph's batch.
struct WindowTask {
  const void* product;
  int64_t stride;
  const int32_t* offsets;  // [B + 1], where the sequences' rows begin
  int64_t sequences;
  int64_t filters;  // of each kernel size
  int kernel_sizes;
  int32_t kernel_size[kMostKernelSizes];
  int64_t first_column[kMostKernelSizes];
  const float* bias;  // [kernel sizes * filters]
  float* output;

  BERTCNN_BOTH int64_t features() const { return kernel_sizes * filters; }
};

/// NaN wins, as on the CPU; fmaxf would drop it.
BERTCNN_BOTH float larger(float a, float b) {
  return a >= b || a != a ? a : b;
}

/// The largest sum of the windows `slice`, `slice` + `slices` ... of one feature of one sequence;
/// minus infinity where there are none. `slice` 0 has at least one.
template <typename T>
BERTCNN_BOTH float largest_window(const WindowTask& task, int64_t sequence, int64_t feature,
                                  int64_t slice, int64_t slices) {
  const int64_t bank = feature / task.filters;
  const int64_t kernel = task.kernel_size[bank];
  const int64_t begin = task.offsets[sequence];
  const int64_t length = task.offsets[sequence + 1] - begin;
  const int64_t windows = length < kernel ? 1 : length - kernel + 1;
  const T* column = static_cast<const T*>(task.product) + begin * task.stride +
                    task.first_column[bank] + feature % task.filters;
  float largest = -INFINITY;
  for (int64_t window = slice; window < windows; window += slices) {
    const int64_t places = kernel < length - window ? kernel : length - window;
    const T* value = column + window * task.stride;
    float sum = 0;
    for (int64_t place = 0; place < places; ++place) {
      sum += static_cast<float>(*value);
      value += task.stride + task.filters;
    }
    largest = larger(largest, sum);
  }
  return largest;
}

/// Of the largest of all slices.
BERTCNN_BOTH void store_feature(const WindowTask& task, int64_t sequence, int64_t feature,
                                float largest) {
  const float x = largest + task.bias[feature];
  task.output[sequence * task.features() + feature] = x < 0.0F ? 0.0F : x;
}

}  // namespace bertcnn::cuda
