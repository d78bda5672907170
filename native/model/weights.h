// Between a model's parameters and the tensors of a checkpoint.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/bert_cnn.h"

namespace bertcnn::model {

/// What has to match when weights are loaded.
enum class Matching {
  encoder,  // an encoder's checkpoint: the head may be missing as a whole, other names are ignored
  whole,    // every name must be there, but for the pooler's; other names are ignored
  strict,   // every name must be there, but for the pooler's, and no other
  lenient,  // what is missing keeps its value, other names are ignored
};

/// Names as in the state dict.
struct Mismatches {
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<std::string> mis_shaped;  // "name: expected [..] but found [..]"
};

/// Compares names and shapes. Takes names with and without `bert.`, behind what DataParallel
/// (`module.`) and torch.compile (`_orig_mod.`) put before them, LayerNorm's old `gamma` and
/// `beta`, and leaves `position_ids` out. ERR_CHECKPOINT_MISMATCH: all that does not match, in one
/// message. The model may be one without memory, on the device `meta`.
Mismatches compare_weights(const BertCnn& model, const checkpoint::Checkpoint& source,
                           Matching matching);

/// Copies the checkpoint's weights into the model, converted to float32. Returns the names that
/// were missing and unexpected. Fails as `compare_weights` does; then no weight has changed.
/// `cancelled` is asked between weights: ERR_CANCELLED, with some of them changed.
Mismatches load_weights(const BertCnn& model, const checkpoint::Checkpoint& source,
                        Matching matching, const std::function<bool()>& cancelled = {});

/// The checkpoint's weights, converted to float32, in memory of their own.
struct ReadWeights {
  kernels::ParameterList values;  // of those that the checkpoint has
  Mismatches mismatches;
};
/// As `load_weights`, but leaves the model as it is.
ReadWeights read_weights(const BertCnn& model, const checkpoint::Checkpoint& source,
                         Matching matching);

/// Copies values of the same names and shapes. Takes no memory on the CPU, so that it can't fail
/// half way.
void copy_weights(const kernels::ParameterList& values, const kernels::ParameterList& weights);

/// Loads these weights of the model anew, and no others; those that the checkpoint lacks stay.
void reload_weights(const BertCnn& model, const kernels::ParameterList& weights,
                    const checkpoint::Checkpoint& source);

/// Reads weights that are not the model's own. Empty where the checkpoint has none of them.
/// ERR_CHECKPOINT_MISMATCH: it has some of them only, or of other shapes.
kernels::ParameterList read_all_or_none(const kernels::ParameterList& weights,
                                        const checkpoint::Checkpoint& source);

/// Weights as tensors of a checkpoint, in their order. Owns copies of
/// those that do not lie in the CPU's memory, so it must outlive what is made of `tensors`.
struct SavedWeights {
  std::vector<at::Tensor> storage;
  std::vector<checkpoint::Tensor> tensors;
};
SavedWeights save_weights(const kernels::ParameterList& weights);

}  // namespace bertcnn::model
