#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/packed_batch.h"
#include "kernels/parameter.h"

namespace bertcnn::kernels {

/// Convolutions over time with several kernel sizes, each followed by ReLU and max over time (Kim,
/// 2014). A sequence shorter than a kernel is extended on the right with zero vectors to exactly
/// that kernel's size: one window.
class ConvolutionBank {
 public:
  ConvolutionBank(int64_t hidden_size, const std::vector<int64_t>& kernel_sizes, int64_t filters,
                  const at::TensorOptions& options);

  /// hidden: `[T, H]`. Returns `[B, kernel sizes * filters]`, the kernel sizes in their given
  /// order.
  at::Tensor forward(const at::Tensor& hidden, const PackedBatch& batch) const;

  /// Appends `prefixes[i]`weight `[filters, H, k]` and `prefixes[i]`bias `[filters]`.
  void parameters(const std::vector<std::string>& prefixes, ParameterList& list) const;

 private:
  struct Convolution {
    int64_t kernel_size;
    at::Tensor weight;
    at::Tensor bias;
  };
  std::vector<Convolution> convolutions_;
  int64_t largest_kernel_ = 1;
};

}  // namespace bertcnn::kernels
