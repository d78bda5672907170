#include "kernels/convolution_bank.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/cpu/rows.h"

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

/// [T, P] -> [T', P], T' the end of the last slot: the product of a zero vector is zero.
at::Tensor spread(const at::Tensor& product, const PackedBatch& batch, const Slots& slots) {
  if (!slots.extended) return product;
  std::vector<int64_t> source;  // row T is the zero vector
  source.reserve(slots.offsets.back());
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    for (int64_t t = batch.offsets[b]; t < batch.offsets[b + 1]; ++t) source.push_back(t);
    source.resize(slots.offsets[b + 1], batch.tokens());
  }
  const at::Tensor zero = at::zeros({1, product.size(1)}, product.options());
  return at::cat({product, zero}).index_select(0, to_tensor(source, product.device()));
}

/// The convolution runs over the slots as if they were one text. Which of its windows count: those
/// that do not reach into the next slot, nor behind the one window of a short sequence.
struct Windows {
  std::vector<int64_t> starts;   // [W]
  std::vector<int64_t> lengths;  // [B], of each sequence
};

Windows make_windows(const PackedBatch& batch, const Slots& slots, int64_t kernel_size,
                     int64_t seen) {
  Windows windows;
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    const int64_t first = b == 0 ? first_unseen(seen, kernel_size) : 0;
    const int64_t count = std::max<int64_t>(batch.length(b) - kernel_size + 1, 1);
    for (int64_t i = first; i < count; ++i) windows.starts.push_back(slots.offsets[b] + i);
    windows.lengths.push_back(count - first);
  }
  return windows;
}

at::Tensor activate(const at::Tensor& x, ConvolutionActivation activation) {
  switch (activation) {
    case ConvolutionActivation::relu:
      return at::relu(x);
    case ConvolutionActivation::gelu:
      return at::gelu(x);
    case ConvolutionActivation::tanh:
      return at::tanh(x);
    case ConvolutionActivation::glu:
      return at::glu(x, 1);
  }
  return {};
}

/// Such an activation may as well follow the maximum, where there is less to compute.
bool increases(ConvolutionActivation activation) {
  return activation == ConvolutionActivation::relu || activation == ConvolutionActivation::tanh;
}

std::string prefix_of(const char* plural, const char* singular, bool numbered, size_t i) {
  return numbered ? plural + std::to_string(i) + "." : std::string(singular) + ".";
}

}  // namespace

at::Tensor ConvolutionBank::by_place(const Convolution& convolution) {
  return convolution.weight.permute({2, 0, 1}).flatten(0, 1);
}

ConvolutionBank::ConvolutionBank(int64_t hidden_size, ConvolutionForm form,
                                 const at::TensorOptions& options)
    : form_(std::move(form)) {
  const bool gated = form_.activation == ConvolutionActivation::glu;
  const int64_t rows = gated ? 2 * form_.filters : form_.filters;
  for (const int64_t kernel_size : form_.kernel_sizes) {
    largest_kernel_ = std::max(largest_kernel_, kernel_size);
    Convolution& convolution = convolutions_.emplace_back();
    convolution.kernel_size = kernel_size;
    convolution.weight = at::zeros({rows, hidden_size, kernel_size}, options);
    convolution.bias = at::zeros({rows}, options);
    if (form_.pooling.kind == PoolingKind::attention) {
      convolution.attention = at::zeros({1, form_.filters}, options);
    }
  }
}

bool ConvolutionBank::is_plain() const {
  return form_.activation == ConvolutionActivation::relu && form_.pooling == Pooling();
}

at::Tensor ConvolutionBank::stacked_weight() const {
  std::vector<at::Tensor> places;
  for (const Convolution& convolution : convolutions_) places.push_back(by_place(convolution));
  return at::cat(places);
}

at::Tensor ConvolutionBank::stacked_bias() const {
  std::vector<at::Tensor> biases;
  for (const Convolution& convolution : convolutions_) biases.push_back(convolution.bias);
  return at::cat(biases);
}

at::Tensor ConvolutionBank::products(const HiddenStates& hidden,
                                     const ForwardContext& context) const {
  if (context.arithmetic != Arithmetic::autograd) return dense(packed_.multiply(hidden.operand));
  const at::Tensor weight = stacked_weight();
  const at::Tensor zero = at::zeros({weight.size(0)}, weight.options());
  const TrainedType type = trained_type(context);
  const at::Tensor product = trained_linear(hidden.values, {weight, zero}, type);
  return type == TrainedType::bfloat16 ? product.to(at::kFloat) : product;
}

at::Tensor ConvolutionBank::forward(const HiddenStates& hidden, const PackedBatch& batch,
                                    const ForwardContext& context) const {
  if (is_plain() && context.arithmetic != Arithmetic::autograd) {
    return window_max_rows(packed_.multiply(hidden.operand), batch, form_.kernel_sizes,
                           packed_biases_);
  }
  if (trains_plain(hidden.values)) {
    return train_plain(hidden.values, batch, 0, trained_type(context)).values;
  }
  return pool_windows(products(hidden, context), batch, 0, false).values;
}

WindowMaxima ConvolutionBank::part_maxima(const HiddenStates& hidden, const PackedBatch& batch,
                                          int64_t seen, const ForwardContext& context) const {
  if (trains_plain(hidden.values)) {
    return train_plain(hidden.values, batch, seen, trained_type(context));
  }
  return pool_windows(products(hidden, context), batch, seen, true);
}

bool ConvolutionBank::trains_plain(const at::Tensor& hidden) const {
  return is_plain() && at::GradMode::is_enabled() && hidden.is_cpu() &&
         hidden.scalar_type() == at::kFloat;
}

WindowMaxima ConvolutionBank::train_plain(const at::Tensor& hidden, const PackedBatch& batch,
                                          int64_t seen, TrainedType type) const {
  return trained_windows(hidden, {form_.kernel_sizes, stacked_weight(), stacked_bias()}, batch,
                         seen, type);
}

/// With the counts of pooling by maxima, where they are wanted.
WindowMaxima ConvolutionBank::pool_windows(const at::Tensor& product, const PackedBatch& batch,
                                           int64_t seen, bool counted) const {
  const Slots slots = make_slots(batch, largest_kernel_);
  // [T', rows] each: the tokens' parts at each place of each kernel.
  const std::vector<at::Tensor> parts = spread(product, batch, slots).split(rows(), 1);
  const bool pools_first = form_.pooling.kind == PoolingKind::max && increases(form_.activation);
  std::vector<at::Tensor> features;
  std::vector<at::Tensor> counts;
  features.reserve(convolutions_.size());
  counts.reserve(convolutions_.size());
  auto part = parts.begin();
  for (const Convolution& convolution : convolutions_) {
    Windows windows = make_windows(batch, slots, convolution.kernel_size, seen);
    const int64_t count = slots.offsets.back() - convolution.kernel_size + 1;
    at::Tensor sums = convolution.bias.unsqueeze(0);
    for (int64_t j = 0; j < convolution.kernel_size; ++j) {
      sums = sums + (part++)->narrow(0, j, count);
    }
    sums = sums.index_select(0, to_tensor(windows.starts, sums.device()));
    const WindowRows segments(std::move(windows.lengths), sums.device());
    const auto pool_them = [&](const at::Tensor& x) {
      return pool(x, segments, form_.pooling, convolution.attention);
    };
    const at::Tensor pooled = pools_first ? sums : activate(sums, form_.activation);
    features.push_back(pools_first ? activate(pool_them(pooled), form_.activation)
                                   : pool_them(pooled));
    if (counted) counts.push_back(count_maxima(pooled.detach(), segments));
  }
  return {at::cat(features, 1), counted ? at::cat(counts, 1) : at::Tensor()};
}

void ConvolutionBank::pack(Arithmetic arithmetic) {
  std::vector<uint32_t> versions;
  for (const Convolution& convolution : convolutions_) {
    versions.push_back(convolution.weight._version());
    versions.push_back(convolution.bias._version());
  }
  if (packed_.is(arithmetic) && versions == packed_versions_) return;
  const at::Tensor weight = stacked_weight().detach();
  // The biases come behind the sums.
  const PlainWeight plain = {weight, at::zeros({weight.size(0)}, weight.options())};
  packed_ = PackedWeight::pack({&plain, 1}, arithmetic);
  packed_biases_ = stacked_bias().detach();
  packed_versions_ = std::move(versions);
}

void ConvolutionBank::parameters(bool numbered, ParameterList& list) const {
  for (size_t i = 0; i < convolutions_.size(); ++i) {
    const std::string prefix = prefix_of("convs.", "conv", numbered, i);
    list.push_back({prefix + "weight", convolutions_[i].weight});
    list.push_back({prefix + "bias", convolutions_[i].bias});
  }
}

void ConvolutionBank::pooling_parameters(bool numbered, ParameterList& list) const {
  for (size_t i = 0; i < convolutions_.size(); ++i) {
    if (!convolutions_[i].attention.defined()) continue;
    list.push_back(
        {prefix_of("pools.", "pool", numbered, i) + "weight", convolutions_[i].attention});
  }
}

}  // namespace bertcnn::kernels
