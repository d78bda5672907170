// BERT's encoder (Devlin et al., 2019), under the names of Hugging Face's BertModel.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/forward_context.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/operand.h"
#include "kernels/packed_batch.h"
#include "kernels/parameter.h"
#include "model/bert_config.h"

namespace bertcnn::model {

/// Token, position and type embeddings, summed and normalized.
class BertEmbeddings {
 public:
  BertEmbeddings(const BertConfig& config, const at::TensorOptions& options);
  /// Returns `[T, H]`.
  kernels::HiddenStates forward(const kernels::PackedBatch& batch,
                                const kernels::ForwardContext& context) const;
  void parameters(const std::string& prefix, kernels::ParameterList& list) const;
  kernels::LayerNorm& layer_norm() { return layer_norm_; }

 private:
  int64_t pad_token_id_;
  double dropout_;
  at::Tensor word_embeddings_;        // [vocabulary, H]
  at::Tensor position_embeddings_;    // [positions, H]
  at::Tensor token_type_embeddings_;  // [types, H]
  kernels::LayerNorm layer_norm_;
};

/// Attention and feed-forward network, each with residual and layer norm behind it.
class BertLayer {
 public:
  BertLayer(const BertConfig& config, const at::TensorOptions& options);
  /// `[T, H] -> [T, H]`
  kernels::HiddenStates forward(const kernels::HiddenStates& hidden,
                                const kernels::PackedBatch& batch,
                                const kernels::ForwardContext& context) const;
  void parameters(const std::string& prefix, kernels::ParameterList& list) const;
  /// `before`: the layer norm that the layer's input comes from.
  void pack(kernels::Arithmetic arithmetic, kernels::LayerNorm& before);
  void drop_packs();
  kernels::LayerNorm& output_layer_norm() { return output_layer_norm_; }
  void release() const;
  bool restore() const;
  bool is_packed() const;

 private:
  double dropout_;
  kernels::Activation activation_;
  kernels::SelfAttention attention_;
  kernels::Linear attention_output_;
  kernels::LayerNorm attention_layer_norm_;
  kernels::Linear intermediate_;
  kernels::Linear output_;
  kernels::LayerNorm output_layer_norm_;
};

/// The encoder. Its pooler takes no part in the forward pass but is carried, since BertModel's
/// state dict holds it.
class Bert {
 public:
  Bert(const BertConfig& config, const at::TensorOptions& options);
  /// The embeddings and the layers.
  int64_t blocks() const { return 1 + std::ssize(layers_); }
  /// Which blocks: block 0 is the embeddings, which do not ask for `hidden`, block i is layer
  /// i - 1.
  struct Blocks {
    int64_t first;
    int64_t end;  // behind the last
  };
  /// Runs some blocks. Returns `[T, H]`; behind the last block that is the whole last hidden state.
  /// `states`, if given, gets the values behind each of them.
  kernels::HiddenStates forward(kernels::HiddenStates hidden, const kernels::PackedBatch& batch,
                                const kernels::ForwardContext& context, Blocks blocks,
                                std::vector<at::Tensor>* states = nullptr) const;
  /// Appends every weight in the order of BertModel's state dict, the pooler's last.
  void parameters(const std::string& prefix, kernels::ParameterList& list) const;

  /// Packs the layers' matrices where that was not done or they have changed since. With `release`
  /// each layer's plain ones are freed before the next is packed, so that both are never all there.
  void pack(kernels::Arithmetic arithmetic, bool release);
  /// Frees the packed matrices of the layers from `first` on.
  void drop_packs(int64_t first);
  /// Frees the memory of the plain matrices of the layers from `first` to before `last`, once
  /// packed.
  void release(int64_t first, int64_t last) const;
  /// Brings it back, with its values. False: without them, since the arithmetic does not keep them.
  bool restore(int64_t first, int64_t last) const;
  /// Whether these layers' plain matrices are, bit for bit, those that were packed in a lower
  /// precision.
  bool is_packed(int64_t first, int64_t last) const;

 private:
  BertEmbeddings embeddings_;
  std::vector<BertLayer> layers_;
  kernels::Linear pooler_;
};

}  // namespace bertcnn::model
