#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "kernels/activation.h"
#include "kernels/arithmetic.h"
#include "kernels/forward_context.h"
#include "kernels/operand.h"
#include "kernels/packed_weight.h"
#include "kernels/parameter.h"

namespace bertcnn::kernels {

/// y = x W^T + b with W `[out, in]` and b `[out]`, as torch.nn.Linear. The one place where products
/// with weights happen in the encoder and the classifier, so that how they are done is decided
/// here.
class Linear {
 public:
  /// W is not set, b is zero: setting what is then loaded would take as long as loading it.
  Linear(int64_t in, int64_t out, const at::TensorOptions& options);

  /// `[..., in] -> [..., out]` on the plain weight.
  at::Tensor forward(const at::Tensor& x) const;
  /// `[T, in] -> [T, out]`, as the context computes.
  Product forward(const Operand& x, const ForwardContext& context) const;
  /// The activation of it.
  Operand forward(const Operand& x, Activation activation, const ForwardContext& context) const;

  /// Appends `prefix`weight and `prefix`bias.
  void parameters(const std::string& prefix, ParameterList& list) const;
  /// Packs the weight, unless that was done and it has not changed since.
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
  at::Tensor train(const at::Tensor& x, const ForwardContext& context) const;

  PlainWeight plain_;
  PackedWeight packed_;
};

}  // namespace bertcnn::kernels
