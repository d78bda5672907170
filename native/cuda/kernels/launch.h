// Starts the kernels. Nothing here waits, allocates or throws: errors show in cudaGetLastError.
#pragma once

#include "cuda/kernels/activation.h"
#include "cuda/kernels/both.h"
#include "cuda/kernels/layer_norm.h"
#include "cuda/kernels/windows.h"

struct CUstream_st;

namespace bertcnn::cuda {

using Stream = CUstream_st*;

void launch_embeddings(const EmbeddingTask& task, const NormTask& norm, Element element,
                       int64_t rows, Stream stream);
void launch_residual(const ResidualTask& task, const NormTask& norm, Element element, int64_t rows,
                     Stream stream);
void launch_activation(const ActivationTask& task, Element element, Stream stream);
void launch_windows(const WindowTask& task, Element element, Stream stream);

/// The longest row that a layer norm keeps on the chip.
constexpr int64_t kLongestRow = 12000;

}  // namespace bertcnn::cuda
