// What the addon asks of libbertcnn_cuda. Raise kInterfaceVersion with every change here.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda/host/memory.h"
#include "kernels/activation_name.h"

namespace bertcnn::cuda {

/// A layer norm's weights, `[H]` float32 each.
struct Norm {
  at::Tensor weight;
  at::Tensor bias;
  double epsilon;
};

/// Tables of float32 rows, and for each token its row in them, `[T]` int64.
struct Embeddings {
  at::Tensor words;
  at::Tensor positions;
  at::Tensor types;
  at::Tensor word_ids;
  at::Tensor position_ids;
  at::Tensor type_ids;
};

/// Where the sequences of a batch lie.
struct Sequences {
  at::Tensor offsets;  // [B + 1] int32
  int64_t longest;     // tokens of the longest, or more
};

/// A bank of convolutions behind its product, `[T, sum of kernel size * filters]`: for each kernel
/// size its places, for each place its filters.
struct Bank {
  std::vector<int64_t> kernel_sizes;
  at::Tensor bias;  // [kernel sizes * filters] float32
};

/// What a card is.
struct Card {
  std::string name;
  int major;  // of its compute capability
  int minor;
  int64_t memory;  // bytes
};

/// Operations that were recorded and run again as one, on the same memory.
class Graph {
 public:
  virtual ~Graph() = default;
  virtual void replay() = 0;
};

/// Records graphs that share their memory: what one has computed is there until the next replay of
/// any. Where all of them are gone, so is the memory: record others with a new recorder.
class GraphRecorder {
 public:
  virtual ~GraphRecorder() = default;
  /// Records what `compute` does on this thread, which must not wait for the card. It is called a
  /// few times.
  virtual std::unique_ptr<Graph> record(const std::function<void()>& compute) = 0;
};

/// All arithmetic is float32 between loading and storing. Tensors are contiguous, but for the
/// product of `largest_windows`, whose rows are.
class Operations {
 public:
  /// Whether a tensor lies where these operations compute.
  virtual bool takes(const at::Tensor& x) const = 0;

  /// LayerNorm(word + position + type): `[T, H]` of `type`.
  virtual at::Tensor embed(const Embeddings& embeddings, const Norm& norm,
                           at::ScalarType type) const = 0;
  /// LayerNorm(product + residual), both `[T, H]` of one type, which is the result's.
  virtual at::Tensor add_and_normalize(const at::Tensor& product, const at::Tensor& residual,
                                       const Norm& norm) const = 0;
  /// values = activation(values + bias), in place; `[T, N]`, bias `[N]` float32.
  virtual void activate(const at::Tensor& values, const at::Tensor& bias,
                        kernels::Activation activation) const = 0;
  /// Attention of each sequence with itself: `[T, 3 H] -> [T, H]`. Rows that belong to no sequence
  /// are not set.
  virtual at::Tensor attend(const at::Tensor& qkv, const Sequences& sequences,
                            int64_t heads) const = 0;
  /// ReLU(max over windows + bias), `[B, kernel sizes * filters]` float32.
  virtual at::Tensor largest_windows(const at::Tensor& product, const Sequences& sequences,
                                     const Bank& bank) const = 0;

  virtual std::unique_ptr<GraphRecorder> graph_recorder(c10::Device device) const = 0;
  virtual Card describe(c10::Device device) const = 0;
  virtual Memory memory(c10::Device device) const = 0;
  /// Gives the card what no tensor uses.
  virtual void empty_cache() const = 0;
  /// What tensors may take of the card at most, in bytes; 0: all of it.
  virtual void limit_memory(c10::Device device, int64_t bytes) const = 0;

 protected:
  ~Operations() = default;
};

}  // namespace bertcnn::cuda
