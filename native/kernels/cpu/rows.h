// The row kernels on tensors, by libtorch's threads; on a card as card.h has them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/activation.h"
#include "kernels/arithmetic.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/operand.h"
#include "kernels/packed_batch.h"

namespace bertcnn::kernels {

/// Rows that are worth a thread: below, starting one costs more than it does.
constexpr int64_t kRowsOfThread = 8;

/// The kernels' view of a product, or of one that is a tensor of float32 or bfloat16.
cpu::ProductRows view(const Product& product);
cpu::ProductRows view(const at::Tensor& x);
/// Room of the calling thread, kept from call to call.
float* thread_room(int64_t floats);

/// Weights of a layer norm, `[H]` float32 each.
struct LayerNormWeights {
  at::Tensor weight;
  at::Tensor bias;
  double epsilon;
  at::Tensor operand_centre;  // what is taken off an operand in int8; undefined: nothing
};

/// Tables of rows to sum: words, positions, token types; each `[rows, H]` float32.
struct EmbeddingTables {
  at::Tensor words;
  at::Tensor positions;
  at::Tensor types;
};

/// LayerNorm(product + residual), with an operand for products of this arithmetic.
HiddenStates layer_norm_rows(const Product& product, const at::Tensor& residual,
                             const LayerNormWeights& norm, Arithmetic arithmetic);
/// LayerNorm of the sums of embeddings.
HiddenStates embed_rows(const EmbeddingTables& tables, const PackedBatch& batch,
                        const LayerNormWeights& norm, Arithmetic arithmetic);
/// activation(product).
Operand activate_rows(const Product& product, Activation activation, Arithmetic arithmetic);
cpu::RowActivation row_activation(Activation activation);
/// Rows of float32 as the operand of the next product.
Operand operand_of(const at::Tensor& x, Arithmetic arithmetic);
/// The product in float32.
at::Tensor dense(const Product& product);
/// product: `[T, sum of kernel size * filters]`, for each kernel size its places, for each place
/// its filters. Returns `[B, kernel sizes * filters]`: ReLU(max over windows + bias).
at::Tensor window_max_rows(const Product& product, const PackedBatch& batch,
                           const std::vector<int64_t>& kernel_sizes, const at::Tensor& biases);
}  // namespace bertcnn::kernels
