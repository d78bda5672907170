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
#include "kernels/pooling.h"
#include "kernels/trained_linear.h"
#include "kernels/trained_windows.h"

namespace bertcnn::kernels {

/// What a bank computes behind its products.
struct ConvolutionForm {
  std::vector<int64_t> kernel_sizes;
  int64_t filters = 0;  // of each kernel size
  ConvolutionActivation activation = ConvolutionActivation::relu;
  Pooling pooling;

  /// Numbers that a sequence becomes.
  int64_t features() const {
    return static_cast<int64_t>(kernel_sizes.size()) * filters * pooling.width();
  }
};

/// Convolutions over time with several kernel sizes, each followed by an activation and by pooling
/// over time; with ReLU and maxima as Kim (2014) has it. A sequence shorter than a kernel is
/// extended on the right with zero vectors to exactly that kernel's size: one window.
class ConvolutionBank {
 public:
  ConvolutionBank(int64_t hidden_size, ConvolutionForm form, const at::TensorOptions& options);

  /// hidden: `[T, H]`. Returns `[B, features]` in float32, the kernel sizes in their given order.
  at::Tensor forward(const HiddenStates& hidden, const PackedBatch& batch,
                     const ForwardContext& context) const;

  /// The same while training and with pooling by maxima, of sequences that are parts of texts:
  /// windows of the first one's first `seen` rows alone do not count.
  WindowMaxima part_maxima(const HiddenStates& hidden, const PackedBatch& batch, int64_t seen,
                           const ForwardContext& context) const;

  /// The products that windows sum up, `[T, sum of k * rows]` in float32: for each kernel size its
  /// places, for each place its filters, and behind these their gates.
  at::Tensor products(const HiddenStates& hidden, const ForwardContext& context) const;
  /// `[kernel sizes * rows]`, which the sums lack.
  at::Tensor stacked_bias() const;
  const ConvolutionForm& form() const { return form_; }
  /// Filters of a kernel size, with their gates.
  int64_t rows() const { return convolutions_[0].bias.size(0); }

  /// Appends `convs.{i}.weight` `[filters, H, k]` and `convs.{i}.bias` `[filters]`, of glu with
  /// twice the filters, whose second half are the gates. Where a single kernel size is not
  /// `numbered`, `conv.`.
  void parameters(bool numbered, ParameterList& list) const;
  /// Appends `pools.{i}.weight`, or `pool.`, `[1, filters]` of pooling by attention; else nothing.
  void pooling_parameters(bool numbered, ParameterList& list) const;
  /// Packs the weights, unless that was done and they have not changed since.
  void pack(Arithmetic arithmetic);

 private:
  struct Convolution {
    int64_t kernel_size = 0;
    at::Tensor weight;
    at::Tensor bias;
    at::Tensor attention;  // [1, filters] of pooling by attention, else undefined
  };
  /// The weight as one of a product: `[F, H, k] -> [k * F, H]`.
  static at::Tensor by_place(const Convolution& convolution);
  /// ReLU and maxima, for which there are kernels.
  bool is_plain() const;
  at::Tensor stacked_weight() const;
  /// Whether `trained_windows` can train it with such hidden states.
  bool trains_plain(const at::Tensor& hidden) const;
  WindowMaxima train_plain(const at::Tensor& hidden, const PackedBatch& batch, int64_t seen,
                           TrainedType type) const;
  WindowMaxima pool_windows(const at::Tensor& product, const PackedBatch& batch, int64_t seen,
                            bool counted) const;

  ConvolutionForm form_;
  std::vector<Convolution> convolutions_;
  int64_t largest_kernel_ = 1;

  // Predicting is one product of all tokens with all filters' places, [sum of k * filters, H], and
  // sums along the windows.
  PackedWeight packed_;
  at::Tensor packed_biases_;  // [kernel sizes * filters]
  std::vector<uint32_t> packed_versions_;
};

}  // namespace bertcnn::kernels
