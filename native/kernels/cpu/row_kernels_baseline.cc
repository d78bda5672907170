// The kernels for whatever the compiler may assume of every processor of the family.
#include "kernels/cpu/row_kernels.h"

#define BERTCNN_VECTOR_BYTES 16
#include "kernels/cpu/row_kernels.inc"

namespace bertcnn::kernels::cpu {

extern const RowKernels kBaselineRowKernels;
const RowKernels kBaselineRowKernels = {
    "baseline", residual_layer_norm, embedding_layer_norm, activate, quantize, attend, window_max};

}  // namespace bertcnn::kernels::cpu
