#include "kernels/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/card.h"
#include "kernels/cpu/attention_rows.h"
#include "kernels/cpu/rows.h"
#include "kernels/dropout.h"
#include "kernels/trained_attention.h"
#include "kernels/trained_linear.h"

namespace bertcnn::kernels {
namespace {

/// Neighbouring sequences of one length: attended to in one call, without a copy.
struct Group {
  int64_t sequences;
  int64_t length;
};

std::vector<Group> group_by_length(const PackedBatch& batch) {
  std::vector<Group> groups;
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    if (!groups.empty() && groups.back().length == batch.length(b)) {
      ++groups.back().sequences;
    } else {
      groups.push_back({1, batch.length(b)});
    }
  }
  return groups;
}

/// [n * L, heads * D] -> [n, heads, L, D]
at::Tensor split_heads(const at::Tensor& x, const Group& group, int64_t heads) {
  return x.view({group.sequences, group.length, heads, x.size(1) / heads}).transpose(1, 2);
}

/// q, k, v: [n, heads, L, D]; mask: [n, 1, 1, L] bool or undefined. Returns [n, heads, L, D].
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& mask, double dropout_p, const ForwardContext& context) {
  if (!context.training || dropout_p == 0.0) {
    return at::scaled_dot_product_attention(
        q, k, v, mask.defined() ? std::optional<at::Tensor>(mask) : std::nullopt);
  }
  // Written out, since SDPA would draw its dropout from the global generator.
  at::Tensor scores = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  if (mask.defined()) {
    scores = scores.masked_fill(mask.logical_not(), -std::numeric_limits<float>::infinity());
  }
  return at::matmul(dropout(at::softmax(scores, -1), dropout_p, context), v);
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const PackedBatch& batch, int64_t heads, double dropout_p,
                     const ForwardContext& context) {
  const std::vector<Group> groups = group_by_length(batch);
  std::vector<int64_t> sizes;
  sizes.reserve(groups.size());
  for (const Group& group : groups) sizes.push_back(group.sequences * group.length);

  // split_with_sizes, not narrow: its backward pass is one concatenation.
  const std::vector<at::Tensor> qs = q.split_with_sizes(sizes);
  const std::vector<at::Tensor> ks = k.split_with_sizes(sizes);
  const std::vector<at::Tensor> vs = v.split_with_sizes(sizes);
  std::vector<at::Tensor> masks(groups.size());
  if (batch.key_mask.defined()) masks = batch.key_mask.split_with_sizes(sizes);

  std::vector<at::Tensor> outputs;
  outputs.reserve(groups.size());
  for (size_t i = 0; i < groups.size(); ++i) {
    const Group& group = groups[i];
    const at::Tensor mask =
        masks[i].defined() ? masks[i].view({group.sequences, 1, 1, group.length}) : at::Tensor();
    const at::Tensor out =
        attend(split_heads(qs[i], group, heads), split_heads(ks[i], group, heads),
               split_heads(vs[i], group, heads), mask, dropout_p, context);
    // [n, heads, L, D] -> [n * L, H]
    outputs.push_back(out.transpose(1, 2).reshape({sizes[i], q.size(1)}));
  }
  return outputs.size() == 1 ? outputs[0] : at::cat(outputs);
}

SelfAttention::SelfAttention(int64_t hidden_size, int64_t heads, double dropout_p,
                             const at::TensorOptions& options)
    : heads_(heads), dropout_(dropout_p) {
  for (PlainWeight& projection : projections_) {
    projection = {at::empty({hidden_size, hidden_size}, options),
                  at::zeros({hidden_size}, options)};
  }
}

at::Tensor SelfAttention::train(const at::Tensor& hidden, const PackedBatch& batch,
                                const ForwardContext& context) const {
  const auto& [query, key, value] = projections_;
  const PlainWeight stacked = {at::cat({query.weight, key.weight, value.weight}),
                               at::cat({query.bias, key.bias, value.bias})};
  const at::Tensor qkv = trained_linear(hidden, stacked, trained_type(context), context.casts);
  const int64_t size = hidden.size(1);
  if (at::GradMode::is_enabled() && qkv.is_cpu() && attends_rows(size / heads_)) {
    return trained_attention(qkv, batch, heads_, dropout_, context);
  }
  const std::vector<at::Tensor> parts = qkv.split(size, 1);
  return attention(parts[0], parts[1], parts[2], batch, heads_, dropout_, context);
}

Operand SelfAttention::forward(const HiddenStates& hidden, const PackedBatch& batch,
                               const ForwardContext& context) const {
  if (context.arithmetic == Arithmetic::autograd) return {train(hidden.values, batch, context)};
  const Product qkv = packed_.multiply(hidden.operand);
  const int64_t hidden_size = hidden.values.size(1);
  const bool has_mask = batch.key_mask.defined();
  if (on_card(qkv.values) && !has_mask) return attend_on_card(qkv, batch, heads_);
  if (qkv.values.is_cpu() && attends_rows(hidden_size / heads_)) {
    return attend_rows(qkv, batch, heads_, context.arithmetic);
  }
  const std::vector<at::Tensor> parts = dense(qkv).split(hidden_size, 1);
  return operand_of(attention(parts[0], parts[1], parts[2], batch, heads_, 0, context),
                    context.arithmetic);
}

void SelfAttention::parameters(const std::string& prefix, ParameterList& list) const {
  constexpr std::array<const char*, 3> kNames = {"query.", "key.", "value."};
  for (size_t i = 0; i < projections_.size(); ++i) {
    list.push_back({prefix + kNames[i] + "weight", projections_[i].weight});
    list.push_back({prefix + kNames[i] + "bias", projections_[i].bias});
  }
}

void SelfAttention::pack(Arithmetic arithmetic, LayerNorm* before) {
  packed_.update(projections_, arithmetic, before);
}

void SelfAttention::release() const {
  release_memory(projections_);
}

bool SelfAttention::restore() const {
  return packed_.restore(projections_);
}

bool SelfAttention::is_packed() const {
  return packed_.packs(projections_);
}

}  // namespace bertcnn::kernels
