// The kernels for whatever the compiler may assume of every processor of the family.
#include "kernels/cpu/row_kernels.h"

#define BERTCNN_VECTOR_BYTES 16
#include "kernels/cpu/training_kernels.inc"

namespace bertcnn::kernels::cpu {

extern const RowKernels kBaselineRowKernels;
const RowKernels kBaselineRowKernels = {"baseline",
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
