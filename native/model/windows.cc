#include "model/windows.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/checkpointed.h"
#include "model/bert_cnn.h"
#include "model/text_runs.h"

namespace bertcnn::model {

using kernels::ForwardContext;
using kernels::PackedBatch;

namespace {

/// Tokens that pass the encoder together: enough for fast products, and few enough that a text of
/// any length takes no more memory than one of BERT's longest windows does or two.
constexpr int64_t kPredictedTokens = 1024;
/// The same for training, where what is computed anew is computed whole.
constexpr int64_t kTrainedTokens = 512;
/// Tokens of several texts whose hidden states are kept at a time, for a head that needs them all.
constexpr int64_t kJoinedTokens = 4096;
/// Tokens of a training batch whose states of a frozen encoder are kept, where they take little
/// memory (of BERT-base 48 MB), rather than computed once more.
constexpr int64_t kKeptTokens = 16384;

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

int64_t TextCnn::overlap() const {
  const auto& sizes = convolutions_.form().kernel_sizes;
  return *std::max_element(sizes.begin(), sizes.end()) - 1;
}

at::Tensor TextCnn::pool(const at::Tensor& rows, const PackedBatch& batch,
                         const ForwardContext& context) const {
  return convolutions_.forward(inputs({rows, {}}, context), batch, context);
}

kernels::WindowMaxima TextCnn::part_maxima(const at::Tensor& rows, const PackedBatch& batch,
                                           int64_t seen, const ForwardContext& context) const {
  return convolutions_.part_maxima(inputs({rows, {}}, context), batch, seen, context);
}

// ---- windows through the encoder, some at a time

bool BertCnn::trains_encoder(const ForwardContext& context) const {
  return context.training && at::GradMode::is_enabled() && !encoder_is_frozen();
}

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
  const bool trains = trains_encoder(context);
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

at::Tensor BertCnn::stream_windows(const PackedBatch& batch, const ForwardContext& context) const {
  ForwardContext of_head = context;
  of_head.arithmetic = context.training ? kernels::Arithmetic::autograd : arithmetic_;
  const int64_t most_tokens = trains_encoder(context) ? kTrainedTokens : kPredictedTokens;
  TextPasses texts = {
      .runs = cut_runs(batch, most_tokens),
      .texts = batch.texts(),
      .overlap = head_.overlap(),
      .encode = [this, context](const PackedBatch& windows, const at::Generator& generator) {
        ForwardContext own = context;
        own.generator = generator;
        return encode_windows(windows, own);
      }};
  const at::Tensor features =
      context.training
          ? train_texts(std::move(texts), context.generator,
                        [this, of_head](const Joined& part) {
                          return head_.part_maxima(part.rows, part.pooled, part.seen, of_head);
                        })
          : stream_texts(texts, [&](const Joined& part) {
              return head_.pool(part.rows, part.pooled, of_head);
            });
  return head_.logits(features, of_head);
}

at::Tensor BertCnn::classify_windows(const PackedBatch& batch,
                                     const ForwardContext& context) const {
  const bool keeps = context.training && encoder_is_frozen() && batch.tokens() <= kKeptTokens;
  if (head_.streams() && !keeps) return stream_windows(batch, context);
  if (context.training) return classify(encode_texts(batch, context), batch.joined(), context);
  const std::vector<int64_t>& offsets = batch.windows->offsets;
  std::vector<at::Tensor> logits;
  for (int64_t text = 0; text < batch.texts();) {
    const auto tokens_before = [&](int64_t end) {
      return batch.offsets[offsets[end]] - batch.offsets[offsets[text]];
    };
    int64_t end = text + 1;
    while (end < batch.texts() && tokens_before(end + 1) <= kJoinedTokens) ++end;
    const at::Tensor states = encode_runs(batch, offsets[text], offsets[end], context);
    logits.push_back(classify(states, batch.joined(text, end), context));
    text = end;
  }
  return at::cat(logits);
}

}  // namespace bertcnn::model
