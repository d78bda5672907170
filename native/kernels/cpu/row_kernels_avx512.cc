// The kernels for AVX-512 (F, BW, DQ, VL).
#include "kernels/cpu/row_kernels.h"

#define BERTCNN_VECTOR_BYTES 64
#include "kernels/cpu/training_kernels.inc"

namespace bertcnn::kernels::cpu {

extern const RowKernels kAvx512RowKernels;
const RowKernels kAvx512RowKernels = row_kernels_called("avx512");

}  // namespace bertcnn::kernels::cpu
