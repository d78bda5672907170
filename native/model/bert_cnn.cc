#include "model/bert_cnn.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "kernels/dropout.h"

namespace bertcnn::model {

using kernels::ForwardContext;
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

at::Tensor TextCnn::forward(const at::Tensor& hidden, const PackedBatch& batch,
                            const ForwardContext& context) const {
  const at::Tensor features = convolutions_.forward(hidden, batch);
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
  if (!context.training || config_.freeze == Freeze::none) {
    return head_.forward(bert_.forward(batch, context), batch, context);
  }
  ForwardContext evaluation = context;
  evaluation.training = false;
  at::Tensor hidden;
  {
    const at::NoGradGuard no_grad;
    hidden = bert_.forward(batch, evaluation);
  }
  return head_.forward(hidden, batch, context);
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
