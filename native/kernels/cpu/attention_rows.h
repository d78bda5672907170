// Attention by the row kernels, by libtorch's threads: each sequence with itself, without padding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/arithmetic.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/operand.h"
#include "kernels/packed_batch.h"

namespace bertcnn::kernels {

/// Whether there are kernels for heads of this size.
bool attends_rows(int64_t head_size);

/// While predicting. qkv: `[T, 3 H]`, queries, keys and values one beside the other.
Operand attend_rows(const Product& qkv, const PackedBatch& batch, int64_t heads,
                    Arithmetic arithmetic);

/// What a forward and a backward pass of training share.
struct AttentionSettings {
  std::vector<int64_t> offsets;  // of the sequences
  at::Tensor key_bias;           // [T], see `key_bias_of`
  int64_t heads = 0;
  cpu::Dropout dropout;  // of the softmax
};

/// 0 for keys and -infinity for pad positions, `[T]`. Undefined: every token is a key.
at::Tensor key_bias_of(const PackedBatch& batch);

struct TrainedAttention {
  at::Tensor output;    // [T, H] of qkv's type
  at::Tensor log_sums;  // [heads, T] float32, for the backward pass
};

/// While training. qkv: `[T, 3 H]` float32 or bfloat16.
TrainedAttention attend_training(const at::Tensor& qkv, const AttentionSettings& settings);
/// The gradient of qkv, of its type. output_gradient: `[T, H]` of that type.
at::Tensor attention_gradient(const at::Tensor& qkv, const TrainedAttention& forward,
                              const at::Tensor& output_gradient, const AttentionSettings& settings);

}  // namespace bertcnn::kernels
