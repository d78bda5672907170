// The last hidden states of a frozen encoder, computed once for each row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/forward_context.h"
#include "kernels/packed_batch.h"
#include "model/bert_cnn.h"
#include "training/feature_store.h"
#include "training/options.h"

namespace bertcnn::training {

/// What a cache holds, and how often it was of use.
struct FeatureCounts {
  int64_t rows = 0;
  int64_t memory_bytes = 0;
  int64_t file_bytes = 0;
  int64_t hits = 0;    // rows that were there
  int64_t misses = 0;  // rows that were computed
};

/// A row's features follow from its tokens and the encoder's weights alone: what is missing is
/// computed row by row, each as a batch of its own and by one thread, since the rounding of
/// products depends on how many rows they have and may depend on the threads. So a run that begins
/// with an empty cache, as one that is resumed does, computes what the run that was not interrupted
/// did, bit for bit. For the same reason features that are kept in bfloat16 are rounded to it at
/// once, when they are new.
///
/// It is of one version of the weights: whatever changes the encoder's empties it. Used by one
/// thread.
class FeatureCache {
 public:
  explicit FeatureCache(const FeatureCacheOptions& options);

  /// `[T, feature size]` float32 on the model's device, without a graph. The encoder is frozen
  /// whole.
  at::Tensor encode(const model::BertCnn& model, const kernels::PackedBatch& batch,
                    const kernels::ForwardContext& context);
  /// Frees memory and file. What was counted stays.
  void clear() { store_.clear(); }
  FeatureCounts counts() const;

 private:
  struct MissingRow {
    kernels::PackedBatch batch;  // of this row alone
    RowKey key;
    std::span<std::byte> bytes;  // where its features go
  };
  void follow_weights(const model::BertCnn& model);
  void compute(const model::BertCnn& model, const kernels::ForwardContext& context,
               const std::vector<MissingRow>& rows) const;

  at::ScalarType type_;
  FeatureStore store_;
  std::vector<uint32_t> versions_;  // of the encoder's weights
  int64_t hits_ = 0;
  int64_t misses_ = 0;
};

}  // namespace bertcnn::training
