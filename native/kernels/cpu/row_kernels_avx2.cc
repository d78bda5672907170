// The kernels for AVX2 and FMA.
#include "kernels/cpu/row_kernels.h"

#define BERTCNN_VECTOR_BYTES 32
#include "kernels/cpu/training_kernels.inc"

namespace bertcnn::kernels::cpu {

extern const RowKernels kAvx2RowKernels;
const RowKernels kAvx2RowKernels = row_kernels_called("avx2");

}  // namespace bertcnn::kernels::cpu
