// Weights laid out for the processor's matrix products.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/activation.h"
#include "kernels/arithmetic.h"
#include "kernels/linear_tuning.h"
#include "kernels/operand.h"

namespace bertcnn::kernels {

class LayerNorm;

/// A weight `[out, in]` and a bias as they are in the state dict.
struct PlainWeight {
  at::Tensor weight;
  at::Tensor bias;
};

/// One or more weights with the same input, stacked and packed: one product gives `[T, sum of
/// out]`. Which library multiplies is measured once a machine, see linear_tuning.h.
class PackedWeight {
 public:
  /// Nothing is packed.
  PackedWeight() = default;

  /// `arithmetic` is not `autograd`; `weights` are float32, on the CPU or a card. `before` is the
  /// layer norm that what is multiplied comes from, if one; in int8 it is told to centre its
  /// operands.
  static PackedWeight pack(std::span<const PlainWeight> weights, Arithmetic arithmetic,
                           LayerNorm* before = nullptr);
  /// Packs, unless that was done and the weights have not changed since. Released weights have not.
  void update(std::span<const PlainWeight> weights, Arithmetic arithmetic,
              LayerNorm* before = nullptr);
  /// Whether something is packed, for this arithmetic.
  bool is(Arithmetic arithmetic) const { return packed_.defined() && arithmetic_ == arithmetic; }

  /// x W^T + b. The operand's type must be the arithmetic's.
  Product multiply(const Operand& x) const;
  /// The activation of it, as the operand of the next product.
  Operand multiply(const Operand& x, Activation activation) const;

  /// Whether these are, bit for bit, the weights that were packed.
  bool packs(std::span<const PlainWeight> weights) const;
  /// Gives released weights their memory back and their values, bit for bit. False: without the
  /// values, since this arithmetic does not keep every bit of them.
  bool restore(std::span<const PlainWeight> weights) const;

 private:
  static PackedWeight pack_on_card(std::span<const PlainWeight> weights, Arithmetic arithmetic);
  bool is_current(std::span<const PlainWeight> weights) const;
  at::Tensor unpack() const;
  at::Tensor multiply_dense(const at::Tensor& x, const char* fused, const char* algorithm) const;
  bool takes_few_rows(const Operand& x) const;
  Product multiply_integers(const Operand& x) const;

  Arithmetic arithmetic_ = Arithmetic::float32;
  LinearLibrary library_ = LinearLibrary::onednn;
  bool has_few_rows_ = false;  // few rows go by `few_rows_linear`
  at::Tensor packed_;
  at::Tensor bias_;                 // [out]
  at::Tensor float_bias_;           // [out], on a card: float32, behind which an activation comes
  at::Tensor channel_scales_;       // [out], int8
  at::Tensor channel_zeros_;        // [out], int8: all zero
  at::Tensor column_sums_;          // [out], int8: scale times the sum of the integers
  std::vector<uint32_t> versions_;  // of each weight and bias when they were packed
  int64_t checksum_ = 0;            // of the weights' bits, where they can't be unpacked
};

/// Frees the memory of weights; their shapes and types stay.
void release_memory(std::span<const PlainWeight> weights);
bool is_released(const at::Tensor& weight);

}  // namespace bertcnn::kernels
