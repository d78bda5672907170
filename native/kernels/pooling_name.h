// The ways of pooling; without ATen, as a configuration needs no tensors.
#pragma once

#include <cstdint>

namespace bertcnn::kernels {

enum class PoolingKind { max, mean, max_mean, k_max, attention };

struct Pooling {
  PoolingKind kind = PoolingKind::max;
  int64_t k = 1;  // of k_max

  /// Numbers that each filter becomes.
  int64_t width() const {
    if (kind == PoolingKind::k_max) return k;
    return kind == PoolingKind::max_mean ? 2 : 1;
  }
  bool operator==(const Pooling& other) const = default;
};

/// What follows a convolution. glu: half of the filters, each times the sigmoid of another of them
/// (Dauphin et al., 2017).
enum class ConvolutionActivation { relu, gelu, tanh, glu };

}  // namespace bertcnn::kernels
