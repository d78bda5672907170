// What the kernels share: a block as a team, and the choice of a type and of a pack's width.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "cuda/kernels/launch.h"

namespace bertcnn::cuda {

constexpr int kWarp = 32;

/// A block of whole warps.
class BlockTeam {
 public:
  __device__ int rank() const { return static_cast<int>(threadIdx.x); }
  __device__ int size() const { return static_cast<int>(blockDim.x); }

  __device__ float sum(float value) const {
    __shared__ float parts[kWarp];
    value = sum_of_warp(value);
    const int warp = rank() / kWarp;
    if (rank() % kWarp == 0) parts[warp] = value;
    __syncthreads();
    float total = 0;
    for (int i = 0; i < size() / kWarp; ++i) total += parts[i];
    // Before the next call writes.
    __syncthreads();
    return total;
  }

 private:
  __device__ static float sum_of_warp(float value) {
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
      value += __shfl_xor_sync(0xffffffffU, value, distance);
    }
    return value;
  }
};

/// Calls f with a value of the element's type.
template <typename Function>
void with_type(Element element, Function&& f) {
  switch (element) {
    case Element::float32:
      return f(float{});
    case Element::float16:
      return f(__half{});
    case Element::bfloat16:
      return f(__nv_bfloat16{});
  }
}

constexpr int64_t kWidest = 8;

/// Whole warps enough for the packs of a row, and few enough that many rows fit a multiprocessor.
inline int threads_for(int64_t packs) {
  constexpr int64_t kMost = 256;
  const int64_t warps = (packs + kWarp - 1) / kWarp;
  const int64_t threads = warps * kWarp;
  return static_cast<int>(threads < kMost ? threads : kMost);
}

}  // namespace bertcnn::cuda
