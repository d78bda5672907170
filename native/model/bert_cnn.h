// The classifier: BERT, then a TextCNN over its whole last hidden state.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "kernels/convolution_bank.h"
#include "kernels/forward_context.h"
#include "kernels/linear.h"
#include "kernels/packed_batch.h"
#include "kernels/parameter.h"
#include "model/bert.h"
#include "model/bert_cnn_config.h"

namespace bertcnn::model {

/// Convolutions, max over time, dropout and a linear layer (Kim, 2014): `[T, H] -> [B, labels]`.
class TextCnn {
 public:
  TextCnn(const BertCnnConfig& config, const at::TensorOptions& options);
  at::Tensor forward(const kernels::HiddenStates& hidden, const kernels::PackedBatch& batch,
                     const kernels::ForwardContext& context) const;
  void parameters(kernels::ParameterList& list) const;
  void pack(kernels::Arithmetic arithmetic) { convolutions_.pack(arithmetic); }

 private:
  double dropout_;
  std::vector<std::string> convolution_prefixes_;
  kernels::ConvolutionBank convolutions_;
  kernels::Linear classifier_;
};

/// `text -> BERT -> TextCNN -> logits`, under the names of DESIGN's table (`bert.*`, `convs.{i}.*`
/// or `conv.*`, `fc.*`). Weights are unset until loaded or initialized.
class BertCnn {
 public:
  BertCnn(BertCnnConfig config, at::Device device);

  /// `[B, labels]`. A frozen encoder runs in evaluation mode and without a graph. What needs no
  /// graph computes with the packed weights, once there are any; `context.arithmetic` is not asked.
  at::Tensor forward(const kernels::PackedBatch& batch,
                     const kernels::ForwardContext& context) const;

  /// Every weight, in the order of the state dict.
  const kernels::ParameterList& parameters() const { return parameters_; }
  /// Whether a training step changes the weight called `name`.
  bool is_trained(const std::string& name) const;
  /// Draws those weights of `names` that belong to the head, as PyTorch initializes Conv1d and
  /// Linear, and to the pooler, as transformers does. Others stay as they are.
  void initialize(const std::vector<std::string>& names, at::Generator& generator);

  /// Packs the weights for products of this arithmetic, on the CPU; weights that are packed and
  /// have not changed since stay as they are. Call it again after weights have changed.
  /// With `release_encoder` as that member does, layer by layer.
  void pack(kernels::Arithmetic arithmetic, bool release_encoder = false);
  /// Frees the memory of the encoder's plain matrices: predicting, and training with a frozen
  /// encoder, want the packed ones only.
  void release_encoder();
  /// Brings them back. Where the arithmetic does not keep every bit, `reload` is called to load the
  /// weights of `is_releasable` anew; ERR_CHECKPOINT_MISMATCH: what it loads is not what was
  /// packed. Then they stay released.
  void restore_encoder(const std::function<void()>& reload);
  /// Whether `release_encoder` frees the weight called `name`.
  bool is_releasable(const kernels::Parameter& parameter) const;
  bool encoder_is_released() const { return released_; }
  kernels::Arithmetic arithmetic() const { return arithmetic_; }

  const BertCnnConfig& config() const { return config_; }
  at::Device device() const { return device_; }

 private:
  BertCnnConfig config_;
  at::Device device_;
  Bert bert_;
  TextCnn head_;
  kernels::ParameterList parameters_;
  kernels::Arithmetic arithmetic_ = kernels::Arithmetic::autograd;
  bool released_ = false;
};

}  // namespace bertcnn::model
