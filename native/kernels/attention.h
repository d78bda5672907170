#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

#include "kernels/arithmetic.h"
#include "kernels/forward_context.h"
#include "kernels/operand.h"
#include "kernels/packed_batch.h"
#include "kernels/packed_weight.h"
#include "kernels/parameter.h"

namespace bertcnn::kernels {

/// Multi-head scaled dot-product attention (Vaswani et al., 2017) of each sequence with itself:
/// softmax(Q K^T / sqrt(D)) V by head, with dropout on the softmax while training.
///
/// q, k, v: `[T, H]` with H = heads x D. Returns `[T, H]`.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const PackedBatch& batch, int64_t heads, double dropout_p,
                     const ForwardContext& context);

/// The same behind the projections of queries, keys and values, which are one product.
class SelfAttention {
 public:
  SelfAttention(int64_t hidden_size, int64_t heads, double dropout_p,
                const at::TensorOptions& options);

  /// `[T, H] -> [T, H]`
  Operand forward(const HiddenStates& hidden, const PackedBatch& batch,
                  const ForwardContext& context) const;

  /// Appends weights and biases of `prefix`query., key. and value.
  void parameters(const std::string& prefix, ParameterList& list) const;
  /// Packs the weights, unless that was done and they have not changed since.
  /// `before`: see PackedWeight::pack.
  void pack(Arithmetic arithmetic, LayerNorm* before = nullptr);
  /// Frees what is packed.
  void drop_pack() { packed_ = {}; }
  /// Frees the plain weight's memory. `restore` brings it back with its values, or says that the
  /// packed one has lost them (false): then with memory only.
  void release() const;
  bool restore() const;
  /// Whether the plain weight is, bit for bit, the one that was packed in a lower precision.
  bool is_packed() const;

 private:
  at::Tensor train(const at::Tensor& hidden, const PackedBatch& batch,
                   const ForwardContext& context) const;

  int64_t heads_;
  double dropout_;
  std::array<PlainWeight, 3> projections_;  // query, key, value; each [H, H]
  PackedWeight packed_;                     // [3 H, H]
};

}  // namespace bertcnn::kernels
