#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/arithmetic.h"
#include "kernels/forward_context.h"
#include "kernels/operand.h"
#include "kernels/packed_batch.h"
#include "kernels/packed_weight.h"
#include "kernels/parameter.h"
#include "kernels/trained_linear.h"

namespace bertcnn::kernels {

/// Convolutions over time with several kernel sizes, each followed by ReLU and max over time (Kim,
/// 2014). A sequence shorter than a kernel is extended on the right with zero vectors to exactly
/// that kernel's size: one window.
class ConvolutionBank {
 public:
  ConvolutionBank(int64_t hidden_size, const std::vector<int64_t>& kernel_sizes, int64_t filters,
                  const at::TensorOptions& options);

  /// hidden: `[T, H]`. Returns `[B, kernel sizes * filters]` in float32, the kernel sizes in their
  /// given order.
  at::Tensor forward(const HiddenStates& hidden, const PackedBatch& batch,
                     const ForwardContext& context) const;

  /// Appends `prefixes[i]`weight `[filters, H, k]` and `prefixes[i]`bias `[filters]`.
  void parameters(const std::vector<std::string>& prefixes, ParameterList& list) const;
  /// Packs the weights, unless that was done and they have not changed since.
  void pack(Arithmetic arithmetic);

 private:
  struct Convolution {
    int64_t kernel_size;
    at::Tensor weight;
    at::Tensor bias;
  };
  /// The weight as one of a product: `[F, H, k] -> [k * F, H]`.
  static at::Tensor by_place(const Convolution& convolution);
  at::Tensor convolve(const at::Tensor& hidden, const PackedBatch& batch, TrainedType type) const;
  at::Tensor multiply(const Operand& hidden, const PackedBatch& batch) const;
  std::vector<int64_t> kernel_sizes() const;

  std::vector<Convolution> convolutions_;
  int64_t largest_kernel_ = 1;

  // Predicting is one product of all tokens with all filters' places, [sum of k * filters, H], and
  // a maximum over sums along the windows.
  PackedWeight packed_;
  at::Tensor packed_biases_;  // [kernel sizes * filters]
  std::vector<uint32_t> packed_versions_;
};

}  // namespace bertcnn::kernels
