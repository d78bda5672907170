#include "model/windows.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/maximum.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/checkpointed.h"
#include "model/bert_cnn.h"

namespace bertcnn::model {

using kernels::ForwardContext;
using kernels::PackedBatch;

namespace {

/// Tokens that pass the encoder together: enough for fast products, and few enough that a text of
/// any length takes no more memory than one of BERT's longest windows does or two.
constexpr int64_t kPredictedTokens = 1024;
/// Tokens whose hidden states are kept at a time, of one text or of several that share runs.
constexpr int64_t kJoinedTokens = 4096;
/// The same for training, where what is computed anew is computed whole.
constexpr int64_t kTrainedTokens = 512;

}  // namespace

at::Tensor keep_windows(const at::Tensor& hidden, const PackedBatch& batch) {
  std::vector<at::Tensor> parts;
  parts.reserve(static_cast<size_t>(batch.sequences()));
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    const auto& [begin, end] = batch.windows->kept[b];
    parts.push_back(hidden.narrow(0, batch.offsets[b] + begin, end - begin));
  }
  return at::cat(parts);
}

int64_t end_of_run(const PackedBatch& batch, int64_t first, int64_t end, int64_t most_tokens) {
  int64_t next = first + 1;
  while (next < end && batch.offsets[next + 1] - batch.offsets[first] <= most_tokens) ++next;
  return next;
}

// ---- texts through the head, part by part

bool TextCnn::streams() const {
  return convolutions_.form().pooling.kind == kernels::PoolingKind::max;
}

void TextCnn::stream(const at::Tensor& part, Streamed& text, const ForwardContext& context) const {
  const at::Tensor rows = text.carry.defined() ? at::cat({text.carry, part}) : part;
  const int64_t length = rows.size(0);
  const auto& sizes = convolutions_.form().kernel_sizes;
  const int64_t overlap = *std::max_element(sizes.begin(), sizes.end()) - 1;
  if (length <= overlap) {
    text.carry = rows;
    return;
  }
  // Windows of the smaller kernels that lie in the carry are seen twice, which a maximum bears.
  const at::Tensor maxima = pool_part(rows, context);
  text.maxima = text.maxima.defined() ? at::maximum(text.maxima, maxima) : maxima;
  text.carry = rows.narrow(0, length - overlap, overlap).clone();  // without the rest's memory
}

at::Tensor TextCnn::finish(const Streamed& text, const ForwardContext& context) const {
  return logits(text.maxima.defined() ? text.maxima : pool_part(text.carry, context), context);
}

/// As if it were a text.
at::Tensor TextCnn::pool_part(const at::Tensor& rows, const ForwardContext& context) const {
  PackedBatch batch;
  batch.offsets.push_back(rows.size(0));
  return convolutions_.forward(inputs({rows, {}}, context), batch, context);
}

// ---- windows through the encoder, some at a time

/// What is kept of some windows.
at::Tensor BertCnn::encode_windows(const PackedBatch& windows,
                                   const ForwardContext& context) const {
  return keep_windows(encode(windows, context).values, windows);
}

at::Tensor BertCnn::encode_texts(const PackedBatch& batch, const ForwardContext& context) const {
  if (!batch.windows) return encode(batch, context).values;
  return encode_runs(batch, 0, batch.sequences(), context);
}

/// The same, run by run.
at::Tensor BertCnn::encode_runs(const PackedBatch& batch, int64_t first, int64_t end,
                                const ForwardContext& context) const {
  const bool trains = context.training && at::GradMode::is_enabled() && !encoder_is_frozen();
  const int64_t most_tokens = trains ? kTrainedTokens : kPredictedTokens;
  std::vector<at::Tensor> runs;
  for (int64_t next = first; next < end;) {
    const int64_t begin = std::exchange(next, end_of_run(batch, next, end, most_tokens));
    if (!trains) {
      runs.push_back(encode_windows(batch.slice(begin, next), context));
      continue;
    }
    // It outlives the graphs that refer to it.
    const auto windows = std::make_shared<const PackedBatch>(batch.slice(begin, next));
    const auto encode_again = [this, windows, context](const at::Generator& generator) {
      ForwardContext own = context;
      own.generator = generator;
      return encode_windows(*windows, own);
    };
    // The first one always, so that every weight has a gradient.
    runs.push_back(kernels::checkpointed(context.generator, encode_again, begin == 0));
  }
  return at::cat(runs);
}

at::Tensor BertCnn::stream_text(const PackedBatch& batch, int64_t text,
                                const ForwardContext& context) const {
  ForwardContext of_head = context;
  of_head.arithmetic = arithmetic_;
  TextCnn::Streamed streamed;
  const int64_t behind = batch.windows->offsets[text + 1];
  for (int64_t first = batch.windows->offsets[text]; first < behind;) {
    const int64_t end = end_of_run(batch, first, behind, kPredictedTokens);
    head_.stream(encode_windows(batch.slice(first, end), context), streamed, of_head);
    first = end;
  }
  return head_.finish(streamed, of_head);
}

at::Tensor BertCnn::predict_windows(const PackedBatch& batch, const ForwardContext& context) const {
  const std::vector<int64_t>& offsets = batch.windows->offsets;
  std::vector<at::Tensor> logits;
  for (int64_t text = 0; text < batch.texts();) {
    const auto tokens_before = [&](int64_t end) {
      return batch.offsets[offsets[end]] - batch.offsets[offsets[text]];
    };
    int64_t end = text + 1;
    if (head_.streams() && tokens_before(end) > kJoinedTokens) {
      logits.push_back(stream_text(batch, text, context));
    } else {
      while (end < batch.texts() && tokens_before(end + 1) <= kJoinedTokens) ++end;
      const at::Tensor states = encode_runs(batch, offsets[text], offsets[end], context);
      logits.push_back(classify(states, batch.joined(text, end), context));
    }
    text = end;
  }
  return at::cat(logits);
}

}  // namespace bertcnn::model
