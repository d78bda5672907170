#include "kernels/convolution_bank.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/segment_reduce.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/cpu/rows.h"
#include "kernels/trained_windows.h"

namespace bertcnn::kernels {
namespace {

/// Where the sequences lie once each has room for the largest kernel. Slot b holds sequence b and,
/// if it is shorter than the largest kernel, zero vectors behind it.
struct Slots {
  std::vector<int64_t> offsets = {0};  // [B + 1]
  bool extended = false;               // some sequence is shorter than the largest kernel
};

Slots make_slots(const PackedBatch& batch, int64_t largest_kernel) {
  Slots slots;
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    const int64_t length = std::max(batch.length(b), largest_kernel);
    slots.extended |= length != batch.length(b);
    slots.offsets.push_back(slots.offsets.back() + length);
  }
  return slots;
}

/// [T, H] -> [T', H], T' the end of the last slot
at::Tensor spread(const at::Tensor& hidden, const PackedBatch& batch, const Slots& slots) {
  if (!slots.extended) return hidden;
  std::vector<int64_t> source;  // row T is the zero vector
  source.reserve(slots.offsets.back());
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    for (int64_t t = batch.offsets[b]; t < batch.offsets[b + 1]; ++t) source.push_back(t);
    source.resize(slots.offsets[b + 1], batch.tokens());
  }
  const at::Tensor zero = at::zeros({1, hidden.size(1)}, hidden.options());
  return at::cat({hidden, zero}).index_select(0, to_tensor(source, hidden.device()));
}

/// What max over time looks at, for one kernel size. The convolution runs over the slots as if they
/// were one text, so windows that reach into the next slot, or behind the one window of a short
/// sequence, have to be left out.
struct Windows {
  std::vector<int64_t> lengths;  // [B], windows from slot b's start to slot b + 1's, those included
  std::vector<uint8_t> outside;  // [N], 1 for each window to leave out
};

Windows make_windows(const PackedBatch& batch, const Slots& slots, int64_t kernel_size) {
  Windows windows;
  const int64_t total = slots.offsets.back() - kernel_size + 1;
  windows.outside.assign(total, 1);
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    const int64_t start = slots.offsets[b];
    const int64_t count = std::max<int64_t>(batch.length(b) - kernel_size + 1, 1);
    std::fill_n(windows.outside.begin() + start, count, uint8_t{0});
    windows.lengths.push_back(std::min(slots.offsets[b + 1], total) - start);
  }
  return windows;
}

/// x: [N, F] -> [B, F], the maximum over the windows of each sequence. Equal maxima share the
/// gradient, as they do in PyTorch's amax.
at::Tensor max_over_time(const at::Tensor& x, const Windows& windows) {
  const at::Tensor outside = to_tensor(windows.outside, x.device()).unsqueeze(1);
  const at::Tensor lengths = to_tensor(windows.lengths, x.device());
  const at::Tensor masked =
      x.detach().masked_fill(outside, -std::numeric_limits<float>::infinity());
  at::Tensor largest = at::segment_reduce(masked, "max", lengths);
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return largest;
  // Not by segment_reduce's own backward pass: it gives each of several equal maxima the whole of a
  // negative gradient. [N], the sequence of each window:
  const at::Tensor sequence = at::repeat_interleave(lengths);
  const at::Tensor wins = masked.eq(largest.index_select(0, sequence)).to(x.scalar_type());
  const at::Tensor winners = at::zeros_like(largest).index_add(0, sequence, wins);
  const at::Tensor share = wins / winners.index_select(0, sequence);
  const at::Tensor mean = at::zeros_like(largest).index_add(0, sequence, x * share);
  return largest + (mean - mean.detach());  // the value exactly, the gradient of the mean
}

}  // namespace

at::Tensor ConvolutionBank::by_place(const Convolution& convolution) {
  return convolution.weight.permute({2, 0, 1}).flatten(0, 1);
}

ConvolutionBank::ConvolutionBank(int64_t hidden_size, const std::vector<int64_t>& kernel_sizes,
                                 int64_t filters, const at::TensorOptions& options) {
  for (const int64_t kernel_size : kernel_sizes) {
    largest_kernel_ = std::max(largest_kernel_, kernel_size);
    convolutions_.push_back({kernel_size, at::zeros({filters, hidden_size, kernel_size}, options),
                             at::zeros({filters}, options)});
  }
}

at::Tensor ConvolutionBank::forward(const HiddenStates& hidden, const PackedBatch& batch,
                                    const ForwardContext& context) const {
  if (context.arithmetic == Arithmetic::autograd) {
    return convolve(hidden.values, batch, trained_type(context));
  }
  return multiply(hidden.operand, batch);
}

at::Tensor ConvolutionBank::convolve(const at::Tensor& hidden, const PackedBatch& batch,
                                     TrainedType type) const {
  std::vector<at::Tensor> places;
  for (const Convolution& convolution : convolutions_) places.push_back(by_place(convolution));
  const at::Tensor weight = at::cat(places);
  if (at::GradMode::is_enabled() && hidden.is_cpu() && hidden.scalar_type() == at::kFloat) {
    std::vector<at::Tensor> biases;
    for (const Convolution& convolution : convolutions_) biases.push_back(convolution.bias);
    return trained_windows(hidden, {kernel_sizes(), weight, at::cat(biases)}, batch, type);
  }
  const Slots slots = make_slots(batch, largest_kernel_);
  const at::Tensor product = trained_linear(
      spread(hidden, batch, slots), {weight, at::zeros({weight.size(0)}, weight.options())}, type);
  // [T', F] each: the tokens' parts at each place of each kernel.
  const std::vector<at::Tensor> parts =
      product.to(at::kFloat).split(convolutions_[0].bias.size(0), 1);
  std::vector<at::Tensor> features;
  features.reserve(convolutions_.size());
  auto part = parts.begin();
  for (const Convolution& convolution : convolutions_) {
    const Windows windows = make_windows(batch, slots, convolution.kernel_size);
    const auto count = static_cast<int64_t>(windows.outside.size());
    at::Tensor sums = convolution.bias.unsqueeze(0);
    for (int64_t j = 0; j < convolution.kernel_size; ++j) {
      sums = sums + (part++)->narrow(0, j, count);
    }
    features.push_back(at::relu(max_over_time(sums, windows)));
  }
  return at::cat(features, 1);
}

at::Tensor ConvolutionBank::multiply(const Operand& hidden, const PackedBatch& batch) const {
  return window_max_rows(packed_.multiply(hidden), batch, kernel_sizes(), packed_biases_);
}

std::vector<int64_t> ConvolutionBank::kernel_sizes() const {
  std::vector<int64_t> sizes;
  sizes.reserve(convolutions_.size());
  for (const Convolution& convolution : convolutions_) sizes.push_back(convolution.kernel_size);
  return sizes;
}

void ConvolutionBank::pack(Arithmetic arithmetic) {
  std::vector<uint32_t> versions;
  std::vector<at::Tensor> places;
  std::vector<at::Tensor> biases;
  for (const Convolution& convolution : convolutions_) {
    versions.push_back(convolution.weight._version());
    versions.push_back(convolution.bias._version());
    places.push_back(by_place(convolution).detach());
    biases.push_back(convolution.bias.detach());
  }
  if (packed_.is(arithmetic) && versions == packed_versions_) return;
  const at::Tensor weight = at::cat(places);
  // The biases come behind the maximum.
  const PlainWeight plain = {weight, at::zeros({weight.size(0)})};
  packed_ = PackedWeight::pack({&plain, 1}, arithmetic);
  packed_biases_ = at::cat(biases);
  packed_versions_ = std::move(versions);
}

void ConvolutionBank::parameters(const std::vector<std::string>& prefixes,
                                 ParameterList& list) const {
  for (size_t i = 0; i < convolutions_.size(); ++i) {
    list.push_back({prefixes[i] + "weight", convolutions_[i].weight});
    list.push_back({prefixes[i] + "bias", convolutions_[i].bias});
  }
}

}  // namespace bertcnn::kernels
