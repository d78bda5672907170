// What the hidden states of windows are to the texts that they were cut from.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/packed_batch.h"

namespace bertcnn::model {

/// hidden: the states of the batch's sequences. Returns those rows of it that are kept, in their
/// order.
at::Tensor keep_windows(const at::Tensor& hidden, const kernels::PackedBatch& batch);

/// The end of a run of sequences from `first` on that are encoded together: as many before `end`
/// as have no more than `most_tokens` tokens, but at least one.
int64_t end_of_run(const kernels::PackedBatch& batch, int64_t first, int64_t end,
                   int64_t most_tokens);

}  // namespace bertcnn::model
