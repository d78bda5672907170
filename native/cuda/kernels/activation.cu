// Every thread takes packs at a block's distance from one another.
#include "cuda/kernels/device.cuh"

namespace bertcnn::cuda {
namespace {

template <int kWidth, typename T>
__global__ void activation_kernel(ActivationTask task, int64_t packs) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < packs;
       i += stride) {
    activate_pack<kWidth, T>(task, i);
  }
}

template <int kWidth, typename T>
void launch(const ActivationTask& task, Stream stream) {
  constexpr int64_t kThreads = 256;
  constexpr int64_t kMostBlocks = 1 << 20;
  const int64_t packs = task.rows * task.columns / kWidth;
  const int64_t blocks = (packs + kThreads - 1) / kThreads;
  const auto some = static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
  activation_kernel<kWidth, T><<<some, kThreads, 0, stream>>>(task, packs);
}

}  // namespace

void launch_activation(const ActivationTask& task, Element element, Stream stream) {
  if (task.rows == 0) return;
  with_type(element, [&](auto zero) {
    using T = decltype(zero);
    if (task.columns % kWidest == 0) {
      launch<kWidest, T>(task, stream);
    } else {
      launch<1, T>(task, stream);
    }
  });
}

}  // namespace bertcnn::cuda
