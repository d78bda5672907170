#include "kernels/packed_weight.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/round.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "error.h"
#include "kernels/card.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/rows.h"
#include "kernels/few_rows.h"
#include "kernels/layer_norm.h"
#include "kernels/onednn.h"

namespace bertcnn::kernels {
namespace {

/// The activations that oneDNN computes while it stores a product, by its names.
struct Fused {
  const char* name;
  const char* algorithm;
};

Fused fused_form(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return {"gelu", "none"};
    case Activation::gelu_tanh:
      return {"gelu", "tanh"};
    case Activation::relu:
      return {"relu", ""};
    case Activation::silu:
      return {"swish", ""};
    case Activation::tanh:
      return {"tanh", ""};
    case Activation::gelu_clipped:
    case Activation::quick_gelu:
      break;
  }
  return {nullptr, ""};
}

at::Tensor stack(std::span<const PlainWeight> weights, at::Tensor PlainWeight::*part) {
  if (weights.size() == 1) return (weights[0].*part).detach();
  std::vector<at::Tensor> parts;
  parts.reserve(weights.size());
  for (const PlainWeight& weight : weights) parts.push_back((weight.*part).detach());
  return at::cat(parts);
}

/// The sum of the bits as integers.
int64_t checksum(std::span<const PlainWeight> weights) {
  int64_t total = 0;
  for (const PlainWeight& plain : weights) {
    total += plain.weight.detach().view(at::kInt).sum(at::kLong).item<int64_t>();
  }
  return total;
}

void resize_memory(const at::Tensor& weight, size_t bytes) {
  at::native::resize_bytes_cpu(weight.storage().unsafeGetStorageImpl(), bytes);
}

}  // namespace

PackedWeight PackedWeight::pack(std::span<const PlainWeight> weights, Arithmetic arithmetic,
                                LayerNorm* before) {
  if (on_card(weights[0].weight)) return pack_on_card(weights, arithmetic);
  const at::Tensor weight = stack(weights, &PlainWeight::weight);
  PackedWeight result;
  result.arithmetic_ = arithmetic;
  result.library_ = choose_linear_library(arithmetic, weight.size(1), weight.size(0));
  // A copy: a training step that changes the bias must not change what was packed before.
  result.bias_ = stack(weights, &PlainWeight::bias).clone();
  for (const PlainWeight& plain : weights) {
    result.versions_.push_back(plain.weight._version());
    result.versions_.push_back(plain.bias._version());
  }
  if (arithmetic != Arithmetic::float32) result.checksum_ = checksum(weights);
  if (arithmetic == Arithmetic::int8) {
    // Symmetric, a scale for each channel. A channel of zeros keeps any scale but 0.
    constexpr double kLargest = 127;
    if (before != nullptr) result.bias_ += at::mv(weight, before->centre_operands());
    at::Tensor scales = at::amax(at::abs(weight), {1}) / kLargest;
    scales = scales.masked_fill(scales.eq(0), 1);
    const at::Tensor integers = at::round(weight / scales.unsqueeze(1)).to(at::kChar);
    result.packed_ = onednn::pack_int8(integers);
    result.channel_scales_ = scales;
    result.channel_zeros_ = at::zeros(scales.sizes(), at::kInt);
    result.column_sums_ = integers.sum({1}, false, at::kLong).to(at::kFloat) * scales;
    return result;
  }
  const at::Tensor typed = arithmetic == Arithmetic::bfloat16 ? weight.to(at::kBFloat16) : weight;
  if (result.library_ == LinearLibrary::onednn) {
    result.packed_ = onednn::pack(typed);
    result.has_few_rows_ = arithmetic == Arithmetic::float32 && !linear_library_is_demanded() &&
                           few_rows_supports(weight.size(1), weight.size(0));
  } else {
    result.packed_ = typed.is_same(weight) ? weight.clone() : typed;
    if (arithmetic == Arithmetic::bfloat16) result.bias_ = result.bias_.to(at::kBFloat16);
  }
  return result;
}

PackedWeight PackedWeight::pack_on_card(std::span<const PlainWeight> weights,
                                        Arithmetic arithmetic) {
  const at::ScalarType type = card_type(arithmetic);
  PackedWeight result;
  result.arithmetic_ = arithmetic;
  // What is copied anyway is so as a whole; a single float32 weight stays the plain one.
  result.packed_ = stack(weights, &PlainWeight::weight).to(type);
  result.float_bias_ = stack(weights, &PlainWeight::bias).clone();
  result.bias_ = result.float_bias_.to(type);
  for (const PlainWeight& plain : weights) {
    result.versions_.push_back(plain.weight._version());
    result.versions_.push_back(plain.bias._version());
  }
  return result;
}

bool PackedWeight::is_current(std::span<const PlainWeight> weights) const {
  size_t i = 0;
  return std::all_of(weights.begin(), weights.end(), [&](const PlainWeight& plain) {
    const uint32_t weight = versions_[i++];
    const uint32_t bias = versions_[i++];
    return is_released(plain.weight) ||
           (weight == plain.weight._version() && bias == plain.bias._version());
  });
}

void PackedWeight::update(std::span<const PlainWeight> weights, Arithmetic arithmetic,
                          LayerNorm* before) {
  if (!is(arithmetic) || !is_current(weights)) *this = pack(weights, arithmetic, before);
}

at::Tensor PackedWeight::multiply_dense(const at::Tensor& x, const char* fused,
                                        const char* algorithm) const {
  if (library_ == LinearLibrary::onednn) {
    return onednn::linear(x, packed_, bias_, fused, algorithm);
  }
  return at::linear(x, packed_, bias_);
}

bool PackedWeight::takes_few_rows(const Operand& x) const {
  const int64_t rows = x.values.size(0);
  return has_few_rows_ && rows > 0 && rows <= kMostFewRows;
}

Product PackedWeight::multiply_integers(const Operand& x) const {
  return {onednn::linear_int8(x.values, packed_, channel_scales_, channel_zeros_), x.scales,
          x.zeros, column_sums_, bias_};
}

Product PackedWeight::multiply(const Operand& x) const {
  // libtorch adds the bias where cublasLt stores the product.
  if (float_bias_.defined()) return {at::linear(x.values, packed_, bias_)};
  if (arithmetic_ == Arithmetic::int8) return multiply_integers(x);
  if (takes_few_rows(x)) return {few_rows_linear(x.values, packed_, bias_)};
  return {multiply_dense(x.values, "none", "")};
}

Operand PackedWeight::multiply(const Operand& x, Activation activation) const {
  if (float_bias_.defined()) return multiply_on_card(x.values, packed_, float_bias_, activation);
  if (takes_few_rows(x)) return {few_rows_linear(x.values, packed_, bias_, activation)};
  if (const Fused fused = fused_form(activation); fused.name != nullptr &&
                                                  library_ == LinearLibrary::onednn &&
                                                  arithmetic_ != Arithmetic::int8) {
    return {multiply_dense(x.values, fused.name, fused.algorithm)};
  }
  return activate_rows(multiply(x), activation, arithmetic_);
}

at::Tensor PackedWeight::unpack() const {
  if (arithmetic_ != Arithmetic::float32) return {};
  return library_ == LinearLibrary::onednn ? packed_.to_dense() : packed_;
}

bool PackedWeight::restore(std::span<const PlainWeight> weights) const {
  for (const PlainWeight& plain : weights) resize_memory(plain.weight, plain.weight.nbytes());
  const at::Tensor stacked = unpack();
  if (!stacked.defined()) return false;
  const auto* from = static_cast<const std::byte*>(stacked.const_data_ptr());
  for (const PlainWeight& plain : weights) {
    // Not by copy_, which would count as a change.
    std::memcpy(plain.weight.mutable_data_ptr(), from, plain.weight.nbytes());
    from += plain.weight.nbytes();
  }
  return true;
}

bool PackedWeight::packs(std::span<const PlainWeight> weights) const {
  return checksum(weights) == checksum_;
}

void release_memory(std::span<const PlainWeight> weights) {
  for (const PlainWeight& plain : weights) resize_memory(plain.weight, 0);
}

bool is_released(const at::Tensor& weight) {
  return weight.storage().nbytes() < weight.nbytes();
}

}  // namespace bertcnn::kernels
