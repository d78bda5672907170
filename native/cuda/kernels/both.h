// What lets one source run on the device and, in tests, on the CPU.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define BERTCNN_BOTH __host__ __device__ __forceinline__
#else
#define BERTCNN_BOTH inline
#endif

namespace bertcnn::cuda {

/// The element types of hidden states and products.
enum class Element { float32, float16, bfloat16 };

/// Neighbours that one instruction loads.
template <typename T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T values[kWidth];
};

template <int kWidth, typename T>
BERTCNN_BOTH Pack<T, kWidth> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, kWidth>*>(from);
}

template <int kWidth, typename T>
BERTCNN_BOTH void store_pack(T* to, const Pack<T, kWidth>& pack) {
  *reinterpret_cast<Pack<T, kWidth>*>(to) = pack;
}

// A team is what works on one row: a block's threads, or in tests a few of the CPU's. It has
// `rank()`, `size()`, and `sum(float)`, the sum over all members, given to each of them. Member r
// works on the packs r, r + size, r + 2 size ... of a row, and on no others.

}  // namespace bertcnn::cuda
