#include "model/bert_cnn.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "error.h"
#include "kernels/dropout.h"

namespace bertcnn::model {

using kernels::Arithmetic;
using kernels::ForwardContext;
using kernels::HiddenStates;
using kernels::PackedBatch;
using kernels::Parameter;
using kernels::ParameterList;

namespace {

constexpr std::string_view kEncoder = "bert.";
constexpr std::string_view kPooler = "bert.pooler.";

at::TensorOptions weight_options(at::Device device) {
  return at::TensorOptions().dtype(at::kFloat).device(device);
}

/// Draws on the CPU, so that a seed gives the same weights on every device.
template <typename Draw>
void draw(const at::Tensor& weight, Draw&& draw_into) {
  const at::NoGradGuard no_grad;
  const at::Tensor host = at::empty(weight.sizes(), at::TensorOptions().dtype(at::kFloat));
  draw_into(host);
  weight.copy_(host);
}

}  // namespace

TextCnn::TextCnn(const BertCnnConfig& config, const at::TensorOptions& options)
    : dropout_(config.dropout),
      convolution_prefixes_(config.convolution_prefixes()),
      convolutions_(config.bert.hidden_size, config.filter_sizes, config.num_filters, options),
      classifier_(static_cast<int64_t>(config.filter_sizes.size()) * config.num_filters,
                  config.num_labels(), options) {}

at::Tensor TextCnn::forward(const HiddenStates& hidden, const PackedBatch& batch,
                            const ForwardContext& context) const {
  const at::Tensor features = convolutions_.forward(hidden, batch, context);
  return classifier_.forward(kernels::dropout(features, dropout_, context));
}

void TextCnn::parameters(ParameterList& list) const {
  convolutions_.parameters(convolution_prefixes_, list);
  classifier_.parameters("fc.", list);
}

BertCnn::BertCnn(BertCnnConfig config, at::Device device)
    : config_(std::move(config)),
      device_(device),
      bert_(config_.bert, weight_options(device)),
      head_(config_, weight_options(device)) {
  bert_.parameters(std::string(kEncoder), parameters_);
  head_.parameters(parameters_);
  for (const Parameter& parameter : parameters_) {
    parameter.tensor.set_requires_grad(is_trained(parameter.name));
  }
}

at::Tensor BertCnn::forward(const PackedBatch& batch, const ForwardContext& context) const {
  const bool trains_encoder = context.training && config_.freeze == Freeze::none;
  ForwardContext of_head = context;
  of_head.arithmetic = context.training ? Arithmetic::autograd : arithmetic_;
  ForwardContext of_encoder = context;
  of_encoder.training = trains_encoder;
  of_encoder.arithmetic = trains_encoder ? Arithmetic::autograd : arithmetic_;
  if (released_ && of_encoder.arithmetic == Arithmetic::autograd) {
    fail("ERR_INTERNAL", "The encoder's plain weights were released.");
  }
  HiddenStates hidden;
  if (context.training && !trains_encoder) {
    const at::NoGradGuard no_grad;
    hidden = bert_.forward(batch, of_encoder);
  } else {
    hidden = bert_.forward(batch, of_encoder);
  }
  return head_.forward(hidden, batch, of_head);
}

void BertCnn::pack(Arithmetic arithmetic, bool release_encoder) {
  const at::NoGradGuard no_grad;
  bert_.pack(arithmetic, release_encoder);
  released_ |= release_encoder;
  head_.pack(arithmetic);
  arithmetic_ = arithmetic;
}

void BertCnn::release_encoder() {
  if (released_ || arithmetic_ == Arithmetic::autograd) return;
  bert_.release();
  released_ = true;
}

void BertCnn::restore_encoder(const std::function<void()>& reload) {
  if (!released_) return;
  try {
    if (!bert_.restore()) {
      reload();
      if (!bert_.is_packed()) {
        fail(
            "ERR_CHECKPOINT_MISMATCH",
            "The files that the model was loaded from hold other weights now. It keeps its encoder "
            "in a lower precision and needs them to save it or to train.");
      }
    }
  } catch (...) {
    bert_.release();
    throw;
  }
  released_ = false;
}

bool BertCnn::is_releasable(const Parameter& parameter) const {
  return parameter.name.starts_with("bert.encoder.") && parameter.tensor.dim() == 2;
}

bool BertCnn::is_trained(const std::string& name) const {
  if (name.starts_with(kPooler)) return false;
  return !name.starts_with(kEncoder) || config_.freeze == Freeze::none;
}

void BertCnn::initialize(const std::vector<std::string>& names, at::Generator& generator) {
  const std::set<std::string_view> wanted(names.begin(), names.end());
  double bound = 0;
  for (const Parameter& parameter : parameters_) {
    const at::Tensor& weight = parameter.tensor;
    const bool bias = weight.dim() == 1;
    if (!bias) {
      // Of the bias as well, which follows its weight in the list.
      const int64_t fan_in = weight.numel() / weight.size(0);
      bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
    }
    if (!wanted.contains(parameter.name)) continue;
    if (!parameter.name.starts_with(kEncoder)) {
      draw(weight, [&](const at::Tensor& host) { host.uniform_(-bound, bound, generator); });
    } else if (parameter.name.starts_with(kPooler)) {
      draw(weight, [&](const at::Tensor& host) {
        if (bias) {
          host.zero_();
        } else {
          host.normal_(0, config_.bert.initializer_range, generator);
        }
      });
    }
  }
}

}  // namespace bertcnn::model
