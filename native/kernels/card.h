// How predictions are computed on a CUDA card, by libbertcnn_cuda and libtorch's products. What
// lies between the products has the products' type here, in memory; the sums are float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "cuda/operations.h"
#include "kernels/activation.h"
#include "kernels/arithmetic.h"
#include "kernels/operand.h"
#include "kernels/packed_batch.h"

namespace bertcnn::kernels {

struct EmbeddingTables;
struct LayerNormWeights;

/// What computes on a card from now on, for the whole process; null: nothing does.
void use_card(const cuda::Operations* operations);
/// ERR_INTERNAL: there is none.
const cuda::Operations& card();
/// Whether a tensor lies on a card.
bool on_card(const at::Tensor& x);

/// The type that a card multiplies in.
at::ScalarType card_type(Arithmetic arithmetic);

// As the functions of these names in cpu/rows.h and cpu/attention_rows.h.
HiddenStates embed_on_card(const EmbeddingTables& tables, const PackedBatch& batch,
                           const LayerNormWeights& norm, Arithmetic arithmetic);
HiddenStates layer_norm_on_card(const Product& product, const at::Tensor& residual,
                                const LayerNormWeights& norm);
Operand attend_on_card(const Product& qkv, const PackedBatch& batch, int64_t heads);
at::Tensor window_max_on_card(const Product& product, const PackedBatch& batch,
                              const std::vector<int64_t>& kernel_sizes, const at::Tensor& biases);
/// activation(x W^T + bias), the bias in float32.
Operand multiply_on_card(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         Activation activation);

}  // namespace bertcnn::kernels
