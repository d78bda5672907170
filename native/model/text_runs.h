// Texts of any length in the memory of some windows: they pass the encoder run by run, and of what
// has passed there remain the largest sums so far and the vectors that the next run's windows of
// the convolutions begin with.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/convolution_bank.h"
#include "kernels/packed_batch.h"

namespace bertcnn::model {

/// Sequences of a batch that are encoded together. What is kept of them are parts of texts.
struct TextRun {
  kernels::PackedBatch windows;        // a view of the sequences
  int64_t first_text = 0;              // part i is of text first_text + i
  std::vector<int64_t> offsets = {0};  // [parts + 1], where the parts lie in what is kept
  bool continues = false;              // the first part's text began in an earlier run
  bool open = false;                   // the last part's text goes on in the next run

  int64_t parts() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

/// All of a batch with windows, in their order: as many sequences each as have no more than
/// `most_tokens` tokens, but at least one.
std::vector<TextRun> cut_runs(const kernels::PackedBatch& batch, int64_t most_tokens);

/// What the next run needs of a text that goes on in it.
struct Carry {
  at::Tensor rows;      // [up to the largest kernel - 1, H]; undefined before the first run
  bool pooled = false;  // whether windows of these rows alone have been seen
};

/// A run's texts, with what was carried to it.
struct Joined {
  at::Tensor rows;              // [T, H], of the parts that can be pooled: the run's first ones
  kernels::PackedBatch pooled;  // their offsets
  int64_t seen = 0;             // rows of the first part whose own windows have been seen
  Carry carry;                  // a view, where the run is open

  Joined(const Carry& before, const at::Tensor& states, const TextRun& run, int64_t overlap);
};

/// How a batch's texts become features.
struct TextPasses {
  std::vector<TextRun> runs;
  int64_t texts = 0;
  int64_t overlap = 0;  // rows that a window of the largest kernel may have in the run before
  /// What is kept of some sequences, `[T, H]`.
  std::function<at::Tensor(const kernels::PackedBatch& windows, const at::Generator& generator)>
      encode;
};

/// `[texts, features]` without a graph: the maxima of the parts' `pool(joined)`.
at::Tensor stream_texts(const TextPasses& texts,
                        const std::function<at::Tensor(const Joined& part)>& pool);

/// The same with a backward pass. Nothing is kept but carries: that pass encodes again, with the
/// same random numbers, those runs to which a gradient comes, from the last to the first, each
/// with its windows that won. One run is always encoded, so that every weight has a gradient.
/// Gradients of weights are added to theirs; what `texts` and `pool` refer to must outlive that.
at::Tensor train_texts(TextPasses texts, const at::Generator& generator,
                       std::function<kernels::WindowMaxima(const Joined& part)> pool);

}  // namespace bertcnn::model
