#pragma once

#include <vector>

#include "kernels/forward_context.h"
#include "kernels/packed_batch.h"
#include "model/explanation.h"

namespace bertcnn::model {

class BertCnn;

/// Explains every sequence of the batch in one forward pass. The sums are made in float64 of what
/// the model multiplied. ERR_UNSUPPORTED_CONFIG: the head does not pool maxima, or has a layer
/// norm.
std::vector<Explanation> explain(const BertCnn& model, const kernels::PackedBatch& batch,
                                 const ExplanationTarget& target,
                                 const kernels::ForwardContext& context);

}  // namespace bertcnn::model
