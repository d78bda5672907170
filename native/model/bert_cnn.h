// The classifier: BERT, then a TextCNN over its whole last hidden state.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

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
  at::Tensor forward(const at::Tensor& hidden, const kernels::PackedBatch& batch,
                     const kernels::ForwardContext& context) const;
  void parameters(kernels::ParameterList& list) const;

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

  /// `[B, labels]`. A frozen encoder runs in evaluation mode and without a graph.
  at::Tensor forward(const kernels::PackedBatch& batch,
                     const kernels::ForwardContext& context) const;

  /// Every weight, in the order of the state dict.
  const kernels::ParameterList& parameters() const { return parameters_; }
  /// Whether a training step changes the weight called `name`.
  bool is_trained(const std::string& name) const;
  /// Draws those weights of `names` that belong to the head, as PyTorch initializes Conv1d and
  /// Linear, and to the pooler, as transformers does. Others stay as they are.
  void initialize(const std::vector<std::string>& names, at::Generator& generator);

  const BertCnnConfig& config() const { return config_; }
  at::Device device() const { return device_; }

 private:
  BertCnnConfig config_;
  at::Device device_;
  Bert bert_;
  TextCnn head_;
  kernels::ParameterList parameters_;
};

}  // namespace bertcnn::model
