// A block computes 32 features of one sequence: neighbouring threads read neighbouring filters, and
// each of its slices takes every eighth window, so that a single long text fills the card, too.
#include "cuda/kernels/device.cuh"

namespace bertcnn::cuda {
namespace {

constexpr int kSlices = 8;

template <typename T>
__global__ void windows_kernel(WindowTask task) {
  __shared__ float largest[kSlices][kWarp];
  const int64_t sequence = blockIdx.x;
  const int64_t feature = static_cast<int64_t>(blockIdx.y) * kWarp + threadIdx.x;
  const auto slice = static_cast<int>(threadIdx.y);
  const bool exists = feature < task.features();
  largest[slice][threadIdx.x] =
      exists ? largest_window<T>(task, sequence, feature, slice, kSlices) : -INFINITY;
  __syncthreads();
  if (slice != 0 || !exists) return;
  float total = largest[0][threadIdx.x];
  for (int i = 1; i < kSlices; ++i) total = larger(total, largest[i][threadIdx.x]);
  store_feature(task, sequence, feature, total);
}

}  // namespace

void launch_windows(const WindowTask& task, Element element, Stream stream) {
  if (task.sequences == 0) return;
  const auto parts = static_cast<unsigned>((task.features() + kWarp - 1) / kWarp);
  const dim3 blocks(static_cast<unsigned>(task.sequences), parts);
  with_type(element, [&](auto zero) {
    windows_kernel<decltype(zero)><<<blocks, dim3(kWarp, kSlices), 0, stream>>>(task);
  });
}

}  // namespace bertcnn::cuda
