// What guesses masked tokens, under the names of Hugging Face's BertForMaskedLM.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "kernels/activation.h"
#include "kernels/forward_context.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/parameter.h"
#include "model/bert_config.h"

namespace bertcnn::model {

/// A dense layer with activation and layer norm, then a product with the word embeddings (Devlin et
/// al., 2019): the decoder has no matrix of its own.
class MaskedLanguageHead {
 public:
  MaskedLanguageHead(const BertConfig& config, const at::TensorOptions& options);

  /// hidden: `[M, H]`; word_embeddings: `[V, H]`. Returns `[M, V]` in float32.
  at::Tensor forward(const at::Tensor& hidden, const at::Tensor& word_embeddings,
                     const kernels::ForwardContext& context) const;
  /// `cls.predictions.bias` `[V]`, `cls.predictions.transform.dense.*` and
  /// `cls.predictions.transform.LayerNorm.*`.
  const kernels::ParameterList& parameters() const { return parameters_; }
  /// As transformers does where a checkpoint has none.
  void initialize(double range, at::Generator& generator) const;

 private:
  kernels::Activation activation_;
  kernels::Linear dense_;
  kernels::LayerNorm layer_norm_;
  at::Tensor bias_;
  kernels::ParameterList parameters_;
};

}  // namespace bertcnn::model
