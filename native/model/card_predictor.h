// Predictions on a CUDA card: small batches as recorded graphs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>

#include "cuda/host/graph_cache.h"
#include "cuda/operations.h"
#include "kernels/forward_context.h"
#include "kernels/packed_batch.h"
#include "model/bert_cnn.h"

namespace bertcnn::model {

/// Whether an exception of libtorch says that memory ran out, of the host or of a card.
bool says_out_of_memory(const c10::Error& error);
/// The same of the exception that is being handled.
bool ran_out_of_memory();

/// Computes what `model.forward` does. A size of batch that comes again and again is recorded as a
/// graph, which later batches up to that size are filled up to; see cuda::GraphCache. The graphs
/// hold the memory of the largest of them, beside their inputs. For one thread.
class CardPredictor {
 public:
  explicit CardPredictor(const BertCnn& model);
  ~CardPredictor();

  /// `[texts, labels]`, to be read before the next call.
  at::Tensor logits(const kernels::PackedBatch& batch, const kernels::ForwardContext& context);
  /// To be called when weights have changed: graphs know them by their addresses.
  void forget_graphs();
  size_t graphs() const;

 private:
  class RecordedBatch;

  bool can_record(const kernels::PackedBatch& batch) const;
  std::unique_ptr<RecordedBatch> record(const cuda::BatchShape& shape);

  const BertCnn& model_;
  std::unique_ptr<cuda::GraphRecorder> recorder_;  // outlives the graphs that share its memory
  cuda::GraphCache<RecordedBatch> graphs_;
};

}  // namespace bertcnn::model
