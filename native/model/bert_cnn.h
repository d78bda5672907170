// The classifier: BERT, then a TextCNN over its whole last hidden state.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernels/convolution_bank.h"
#include "kernels/forward_context.h"
#include "kernels/layer_norm.h"
#include "kernels/linear.h"
#include "kernels/packed_batch.h"
#include "kernels/parameter.h"
#include "model/bert.h"
#include "model/bert_cnn_config.h"

namespace bertcnn::model {

/// What a head's logits come from: everything it multiplies.
struct HeadProducts {
  kernels::ConvolutionForm form;
  int64_t rows = 0;   // filters of a kernel size, with their gates
  at::Tensor values;  // [T, sum of k * rows], see ConvolutionBank::products
  at::Tensor biases;  // [kernel sizes * rows]
  at::Tensor weight;  // [labels, filters], the classifier's
  at::Tensor bias;    // [labels]
  at::Tensor logits;  // [B, labels]
};

/// Convolutions, pooling over time, dropout and a linear layer (Kim, 2014), with the departures of
/// HeadConfig: `[T, H] -> [B, labels]`.
class TextCnn {
 public:
  TextCnn(const BertCnnConfig& config, const at::TensorOptions& options);
  /// What the convolutions see of the last `hidden_layers` states, `[T, H]` each. Learned weights
  /// are applied by `forward`: until then the states lie one behind another.
  at::Tensor combine(const std::vector<at::Tensor>& states) const;
  /// hidden: the last hidden states or, where there are several, those that `combine` gives; where
  /// they lack an operand it is made.
  at::Tensor forward(const kernels::HiddenStates& hidden, const kernels::PackedBatch& batch,
                     const kernels::ForwardContext& context) const;
  /// Whether texts can be streamed through the head, see model/text_runs.h: its pooling is by
  /// maxima, so that those of parts give those of texts.
  bool streams() const;
  /// Rows that a window of the largest kernel shares with the part before.
  int64_t overlap() const;
  /// Features of parts of texts, `[parts, features]`; rows: `[T, H]` as `forward` takes them.
  at::Tensor pool(const at::Tensor& rows, const kernels::PackedBatch& batch,
                  const kernels::ForwardContext& context) const;
  /// The same while training.
  kernels::WindowMaxima part_maxima(const at::Tensor& rows, const kernels::PackedBatch& batch,
                                    int64_t seen, const kernels::ForwardContext& context) const;
  /// `[B, labels]` of texts' features.
  at::Tensor logits(at::Tensor features, const kernels::ForwardContext& context) const;
  /// On the CPU. Without dropout.
  HeadProducts products(const kernels::HiddenStates& hidden, const kernels::PackedBatch& batch,
                        const kernels::ForwardContext& context) const;
  void parameters(kernels::ParameterList& list) const;
  void pack(kernels::Arithmetic arithmetic) { convolutions_.pack(arithmetic); }

 private:
  kernels::HiddenStates inputs(const kernels::HiddenStates& hidden,
                               const kernels::ForwardContext& context) const;
  at::Tensor mixed(const at::Tensor& states) const;

  HeadConfig config_;
  double dropout_;
  bool numbered_;
  at::Tensor layer_mix_;  // [hidden layers], or undefined
  kernels::ConvolutionBank convolutions_;
  std::optional<kernels::LayerNorm> layer_norm_;
  kernels::Linear classifier_;
};

/// `text -> BERT -> TextCNN -> logits`, under the names of DESIGN's table (`bert.*`, `convs.{i}.*`
/// or `conv.*`, `fc.*`). Weights are unset until loaded or initialized.
class BertCnn {
 public:
  BertCnn(BertCnnConfig config, at::Device device);

  /// `[texts, labels]`. A frozen encoder, or its frozen lower part, runs in evaluation mode and
  /// without a graph. What needs no graph computes with the packed weights, once there are any;
  /// `context.arithmetic` is not asked.
  ///
  /// Where a batch has windows, they pass the encoder some at a time, and what is kept of them goes
  /// to the head, as one text each. With pooling by maxima these are all that stays of it, and to
  /// train, the backward pass computes anew, with the same dropout, those windows to which a
  /// gradient comes. With other pooling hidden states stay, and with a frozen encoder those of a
  /// batch that is not large.
  at::Tensor forward(const kernels::PackedBatch& batch,
                     const kernels::ForwardContext& context) const;
  /// The two halves of it: the encoder's last hidden states, `[T, feature_size]`, and the logits
  /// that follow from their values.
  kernels::HiddenStates encode(const kernels::PackedBatch& batch,
                               const kernels::ForwardContext& context) const;
  at::Tensor classify(const at::Tensor& hidden, const kernels::PackedBatch& batch,
                      const kernels::ForwardContext& context) const;
  /// The encoder's last hidden state, `[T, H]`, whatever layers the head sees. Where that is
  /// trained, with a graph.
  at::Tensor last_hidden_state(const kernels::PackedBatch& batch,
                               const kernels::ForwardContext& context) const {
    return run_encoder(batch, context, nullptr).values.to(at::kFloat);
  }
  /// `[V, H]`
  const at::Tensor& word_embeddings() const;
  /// The texts' hidden states, as `batch.joined()` has them: what `encode` gives, but of windows
  /// what is kept.
  at::Tensor encode_texts(const kernels::PackedBatch& batch,
                          const kernels::ForwardContext& context) const;

  /// What a prediction's logits come from, on the CPU.
  HeadProducts head_products(const kernels::PackedBatch& batch,
                             const kernels::ForwardContext& context) const;
  /// The width of what `encode` gives: that of the hidden states, or of several side by side.
  int64_t feature_size() const;

  /// Every weight, in the order of the state dict.
  const kernels::ParameterList& parameters() const { return parameters_; }
  /// Whether a training step changes the weight called `name`.
  bool is_trained(const std::string& name) const { return trained_.contains(name); }
  /// All of them, in the order of the state dict.
  kernels::ParameterList trained_parameters() const;
  /// The encoder's lowest layers that are frozen whole, like all below them: they want no plain
  /// matrices to train what lies above.
  int64_t frozen_layers() const { return std::max<int64_t>(0, frozen_blocks_ - 1); }
  /// Whether the encoder is frozen whole, and so a fixed function of the tokens.
  bool encoder_is_frozen() const { return frozen_blocks_ == bert_.blocks(); }
  /// What is frozen, and what follows from it.
  struct FreezeState {
    Freeze freeze;
    FreezeSource source = FreezeSource::option;
    std::set<std::string> trained;
    int64_t blocks = 0;
  };
  /// What a training step changes from now on; returns what it did before. ERR_INVALID_ARGUMENT as
  /// `trained_names` refuses; then nothing changes. What is trained then must not be released.
  FreezeState set_freeze(const Freeze& freeze);
  /// Exchanges what is frozen with `state`, to make it as it was before. Takes no memory.
  void exchange_freeze(FreezeState& state) noexcept;
  /// Changes what the configuration says of it, and nothing that is computed here.
  /// ERR_INVALID_ARGUMENT as `check_calibration` refuses; then nothing changes.
  void set_calibration(Calibration calibration);
  /// Draws those weights of `names` that belong to the head, as PyTorch initializes Conv1d and
  /// Linear, and to the pooler, as transformers does. Others stay as they are.
  void initialize(const std::vector<std::string>& names, at::Generator& generator);

  /// Packs the weights for products of this arithmetic, on the CPU; weights that are packed and
  /// have not changed since stay as they are. Call it again after weights have changed.
  /// With `release_encoder` as that member does for all layers, one by one.
  void pack(kernels::Arithmetic arithmetic, bool release_encoder = false);
  /// Frees the packed matrices of the encoder's trained layers, which a training step makes stale.
  /// They have to be packed again before the next prediction.
  void drop_trained_packs() { bert_.drop_packs(frozen_layers()); }
  /// Frees the memory of the plain matrices of the encoder's lowest `layers` layers: predicting,
  /// and training with these layers frozen, want the packed ones only.
  void release_encoder(int64_t layers);
  /// Loads the values of these weights anew from where they came.
  using Reload = std::function<void(const kernels::ParameterList& lost)>;
  /// Brings all back but those of the lowest `layers`, which stay as they are. `reload` is called
  /// where the arithmetic does not keep every bit; ERR_CHECKPOINT_MISMATCH: what it loads is not
  /// what was packed. Then all stay released.
  void restore_encoder(int64_t layers, const Reload& reload);
  /// Whether the packed matrices of the lowest `layers` layers are those of the plain ones, or keep
  /// every bit once packed: then these can be released without their values being lost.
  bool can_release(int64_t layers) const;
  /// The encoder's lowest layers whose plain matrices have no memory.
  int64_t released_layers() const { return released_layers_; }
  kernels::Arithmetic arithmetic() const { return arithmetic_; }

  const BertCnnConfig& config() const { return config_; }
  at::Device device() const { return device_; }

 private:
  at::Tensor classify(const kernels::HiddenStates& hidden, const kernels::PackedBatch& batch,
                      const kernels::ForwardContext& context) const;
  at::Tensor classify_windows(const kernels::PackedBatch& batch,
                              const kernels::ForwardContext& context) const;
  at::Tensor encode_runs(const kernels::PackedBatch& batch, int64_t first, int64_t end,
                         const kernels::ForwardContext& context) const;
  at::Tensor encode_windows(const kernels::PackedBatch& windows,
                            const kernels::ForwardContext& context) const;
  at::Tensor stream_windows(const kernels::PackedBatch& batch,
                            const kernels::ForwardContext& context) const;
  bool trains_encoder(const kernels::ForwardContext& context) const;
  kernels::HiddenStates run_encoder(const kernels::PackedBatch& batch,
                                    const kernels::ForwardContext& context,
                                    std::vector<at::Tensor>* states) const;
  kernels::ParameterList matrices(int64_t first_layer, int64_t last_layer) const;

  BertCnnConfig config_;
  at::Device device_;
  Bert bert_;
  TextCnn head_;
  kernels::ParameterList parameters_;
  kernels::Arithmetic arithmetic_ = kernels::Arithmetic::autograd;
  std::set<std::string> trained_;
  int64_t frozen_blocks_ = 0;    // of the encoder, see Bert::forward
  int64_t released_layers_ = 0;  // the lowest ones
};

}  // namespace bertcnn::model
