#include "model/card_predictor.h"

#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <new>
#include <string>
#include <string_view>

#include "kernels/card.h"

namespace bertcnn::model {

using kernels::ForwardContext;
using kernels::PackedBatch;

namespace {

/// Graphs of a model. A shape's own memory is its token ids, so this bounds what all recorded
/// kernels take, about a megabyte each.
constexpr size_t kMostGraphs = 64;

}  // namespace

bool says_out_of_memory(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  // What has no type of its own: the CPU's allocator, CUDA's runtime, cuBLAS.
  const std::string message = error.what_without_backtrace();
  constexpr std::string_view kWords[] = {"can't allocate memory", "out of memory",
                                         "CUBLAS_STATUS_ALLOC_FAILED"};
  return std::any_of(std::begin(kWords), std::end(kWords), [&](std::string_view words) {
    return message.find(words) != std::string::npos;
  });
}

bool ran_out_of_memory() {
  try {
    throw;
  } catch (const c10::Error& error) {
    return says_out_of_memory(error);
  } catch (const std::bad_alloc&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// A batch in memory of its own, and the graph that makes its logits of it.
class CardPredictor::RecordedBatch {
 public:
  RecordedBatch(const BertCnn& model, const cuda::BatchShape& shape,
                cuda::GraphRecorder& recorder) {
    const auto ids = at::TensorOptions().dtype(at::kLong).device(model.device());
    batch_.input_ids = at::zeros({shape.tokens}, ids);
    batch_.token_type_ids = at::zeros({shape.tokens}, ids);
    batch_.position_ids = at::zeros({shape.tokens}, ids);
    batch_.device_offsets = at::zeros({shape.sequences + 1}, ids.dtype(at::kInt));
    // What the host reads of them are the sizes.
    batch_.offsets.resize(static_cast<size_t>(shape.sequences) + 1, shape.tokens);
    batch_.longest_length = shape.longest;
    graph_ = recorder.record([&] { logits_ = model.forward(batch_, ForwardContext()); });
  }

  /// Tokens behind the batch's own belong to no sequence; of sequences behind them there are none.
  at::Tensor run(const PackedBatch& from) {
    const int64_t tokens = from.tokens();
    const int64_t sequences = from.sequences();
    batch_.input_ids.narrow(0, 0, tokens).copy_(from.input_ids);
    batch_.token_type_ids.narrow(0, 0, tokens).copy_(from.token_type_ids);
    batch_.position_ids.narrow(0, 0, tokens).copy_(from.position_ids);
    const at::Tensor& offsets = batch_.device_offsets;
    offsets.narrow(0, 0, sequences + 1).copy_(from.offsets_on(offsets.device()));
    offsets.narrow(0, sequences + 1, offsets.size(0) - sequences - 1).fill_(tokens);
    graph_->replay();
    return logits_.narrow(0, 0, sequences);
  }

 private:
  PackedBatch batch_;
  at::Tensor logits_;
  std::unique_ptr<cuda::Graph> graph_;
};

CardPredictor::CardPredictor(const BertCnn& model) : model_(model), graphs_(kMostGraphs) {}

CardPredictor::~CardPredictor() {
  forget_graphs();
}

/// The rest of the heads, windows and pad positions ask the host in between.
bool CardPredictor::can_record(const PackedBatch& batch) const {
  const HeadConfig& head = model_.config().head;
  return !batch.windows && !batch.key_mask.defined() &&
         head.activation == kernels::ConvolutionActivation::relu &&
         head.pooling == kernels::Pooling();
}

at::Tensor CardPredictor::logits(const PackedBatch& batch, const ForwardContext& context) {
  if (!can_record(batch)) return model_.forward(batch, context);
  const cuda::BatchShape own = {batch.tokens(), batch.sequences(), batch.longest()};
  const auto shape = cuda::graph_shape(own, model_.config().bert.max_position_embeddings);
  if (!shape) return model_.forward(batch, context);
  RecordedBatch* recorded = nullptr;
  try {
    recorded = graphs_.find(*shape, [&] { return record(*shape); });
  } catch (...) {
    if (!ran_out_of_memory()) throw;
    // It goes without graphs, too.
    forget_graphs();
    kernels::card().empty_cache();
  }
  return recorded == nullptr ? model_.forward(batch, context) : recorded->run(batch);
}

std::unique_ptr<CardPredictor::RecordedBatch> CardPredictor::record(const cuda::BatchShape& shape) {
  if (!recorder_) recorder_ = kernels::card().graph_recorder(model_.device());
  return std::make_unique<RecordedBatch>(model_, shape, *recorder_);
}

void CardPredictor::forget_graphs() {
  graphs_.clear();
  // The memory that they shared is gone with them.
  recorder_.reset();
}

size_t CardPredictor::graphs() const {
  return graphs_.size();
}

}  // namespace bertcnn::model
