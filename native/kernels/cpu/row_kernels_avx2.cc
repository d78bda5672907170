// The kernels for AVX2 and FMA.
#include "kernels/cpu/row_kernels.h"

#define BERTCNN_VECTOR_BYTES 32
#include "kernels/cpu/training_kernels.inc"

namespace bertcnn::kernels::cpu {

extern const RowKernels kAvx2RowKernels;
const RowKernels kAvx2RowKernels = {"avx2",
                                    residual_layer_norm,
                                    embedding_layer_norm,
                                    activate,
                                    quantize,
                                    attend,
                                    window_max,
                                    multiply_few_rows,
                                    dropout_factors,
                                    dropout_layer_norm,
                                    dropout_layer_norm_gradient,
                                    gelu_gradient,
                                    attend_gradient};

}  // namespace bertcnn::kernels::cpu
