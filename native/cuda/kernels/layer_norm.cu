// A block normalizes a row, which it keeps in shared memory.
#include "cuda/kernels/device.cuh"

namespace bertcnn::cuda {
namespace {

template <int kWidth, typename T>
__global__ void embeddings_kernel(EmbeddingTask task, NormTask norm) {
  extern __shared__ float room[];
  embed_row<kWidth, T>(BlockTeam{}, room, task, norm, blockIdx.x);
}

template <int kWidth, typename T>
__global__ void residual_kernel(ResidualTask task, NormTask norm) {
  extern __shared__ float room[];
  residual_row<kWidth, T>(BlockTeam{}, room, task, norm, blockIdx.x);
}

struct Shape {
  unsigned blocks;
  int threads;
  size_t room;
};

Shape shape_of(const NormTask& norm, int64_t rows, int64_t width) {
  return {static_cast<unsigned>(rows), threads_for(norm.size / width),
          static_cast<size_t>(norm.size) * sizeof(float)};
}

}  // namespace

void launch_embeddings(const EmbeddingTask& task, const NormTask& norm, Element element,
                       int64_t rows, Stream stream) {
  if (rows == 0) return;
  with_type(element, [&](auto zero) {
    using T = decltype(zero);
    if (norm.size % kWidest == 0) {
      const Shape shape = shape_of(norm, rows, kWidest);
      embeddings_kernel<kWidest, T>
          <<<shape.blocks, shape.threads, shape.room, stream>>>(task, norm);
    } else {
      const Shape shape = shape_of(norm, rows, 1);
      embeddings_kernel<1, T><<<shape.blocks, shape.threads, shape.room, stream>>>(task, norm);
    }
  });
}

void launch_residual(const ResidualTask& task, const NormTask& norm, Element element, int64_t rows,
                     Stream stream) {
  if (rows == 0) return;
  with_type(element, [&](auto zero) {
    using T = decltype(zero);
    if (norm.size % kWidest == 0) {
      const Shape shape = shape_of(norm, rows, kWidest);
      residual_kernel<kWidest, T><<<shape.blocks, shape.threads, shape.room, stream>>>(task, norm);
    } else {
      const Shape shape = shape_of(norm, rows, 1);
      residual_kernel<1, T><<<shape.blocks, shape.threads, shape.room, stream>>>(task, norm);
    }
  });
}

}  // namespace bertcnn::cuda
