// The kernels for whatever the compiler may assume of every processor of the family.
#include "kernels/cpu/row_kernels.h"

#define BERTCNN_VECTOR_BYTES 16
#include "kernels/cpu/training_kernels.inc"

namespace bertcnn::kernels::cpu {

extern const RowKernels kBaselineRowKernels;
const RowKernels kBaselineRowKernels = row_kernels_called("baseline");

}  // namespace bertcnn::kernels::cpu
