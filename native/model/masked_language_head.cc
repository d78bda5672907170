#include "model/masked_language_head.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "kernels/trained_linear.h"

namespace bertcnn::model {

MaskedLanguageHead::MaskedLanguageHead(const BertConfig& config, const at::TensorOptions& options)
    : activation_(config.hidden_act),
      dense_(config.hidden_size, config.hidden_size, options),
      layer_norm_(config.hidden_size, config.layer_norm_eps, options),
      bias_(at::zeros({config.vocab_size}, options)) {
  parameters_.push_back({"cls.predictions.bias", bias_});
  dense_.parameters("cls.predictions.transform.dense.", parameters_);
  layer_norm_.parameters("cls.predictions.transform.LayerNorm.", parameters_);
  for (const auto& parameter : parameters_) parameter.tensor.set_requires_grad(true);
}

at::Tensor MaskedLanguageHead::forward(const at::Tensor& hidden, const at::Tensor& word_embeddings,
                                       const kernels::ForwardContext& context) const {
  kernels::ForwardContext plain = context;
  plain.arithmetic = kernels::Arithmetic::autograd;
  const at::Tensor transformed =
      dense_.forward(kernels::Operand{hidden}, activation_, plain).values;
  const at::Tensor normed = layer_norm_.forward(transformed.to(at::kFloat));
  return kernels::trained_linear(normed, {word_embeddings, bias_}, kernels::trained_type(plain))
      .to(at::kFloat);
}

void MaskedLanguageHead::initialize(double range, at::Generator& generator) const {
  const at::NoGradGuard no_grad;
  for (const auto& [name, weight] : parameters_) {
    if (name.ends_with("LayerNorm.weight")) {
      weight.fill_(1);
    } else if (name.ends_with("bias")) {
      weight.zero_();
    } else {
      // On the CPU, so that a seed gives the same weights on every device.
      weight.copy_(at::zeros(weight.sizes()).normal_(0, range, generator));
    }
  }
}

}  // namespace bertcnn::model
