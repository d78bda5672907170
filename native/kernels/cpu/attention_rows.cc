#include "kernels/cpu/attention_rows.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/rows.h"

namespace bertcnn::kernels {
namespace {

/// Heads of sequences, cut into parts that cost about the same: n tokens cost n^2 and a little.
class HeadParts {
 public:
  HeadParts(const std::vector<int64_t>& offsets, int64_t heads) : heads_(heads) {
    constexpr int64_t kCostOfToken = 32;
    costs_.push_back(0);
    for (size_t b = 0; b + 1 < offsets.size(); ++b) {
      const int64_t length = offsets[b + 1] - offsets[b];
      costs_.push_back(costs_.back() + heads * length * (length + kCostOfToken));
    }
  }

  int64_t total_cost() const { return costs_.back(); }

  /// The first head (numbered through all sequences) that starts at `cost` or behind.
  int64_t head_at(int64_t cost) const {
    const auto after = std::upper_bound(costs_.begin(), costs_.end() - 1, cost);
    const int64_t b = after - costs_.begin() - 1;
    const int64_t of_head = (costs_[b + 1] - costs_[b]) / heads_;
    return b * heads_ + (cost - costs_[b] + of_head - 1) / of_head;
  }

 private:
  int64_t heads_;
  std::vector<int64_t> costs_;  // [B + 1], running sum
};

/// A head of a sequence.
struct Head {
  int64_t number;
  int64_t first_row;
  int64_t length;
};

/// Calls f(head, room) for every head of every sequence, on all threads. `scratch` tells how many
/// floats of room the longest sequence wants.
template <typename Scratch, typename Function>
void for_each_head(const std::vector<int64_t>& offsets, int64_t heads, int64_t head_size,
                   Scratch&& scratch, Function&& f) {
  const HeadParts parts(offsets, heads);
  int64_t longest = 0;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    longest = std::max(longest, offsets[b + 1] - offsets[b]);
  }
  constexpr int64_t kCostOfThread = 4096;
  at::parallel_for(0, parts.total_cost(), kCostOfThread, [&](int64_t begin, int64_t end) {
    float* room = thread_room(scratch(longest, head_size));
    const int64_t last = parts.head_at(end);
    for (int64_t number = parts.head_at(begin); number < last; ++number) {
      const int64_t sequence = number / heads;
      f(Head{number % heads, offsets[sequence], offsets[sequence + 1] - offsets[sequence]}, room);
    }
  });
}

const float* key_bias_at(const at::Tensor& key_bias, int64_t row) {
  return key_bias.defined() ? key_bias.const_data_ptr<float>() + row : nullptr;
}

/// Where a head lies in rows of queries, keys and values.
cpu::AttentionTask task_of(const Head& head, int64_t hidden, int64_t head_size,
                           const at::Tensor& key_bias) {
  const int64_t column = head.number * head_size;
  return {.first_row = head.first_row,
          .length = head.length,
          .query_column = column,
          .key_column = hidden + column,
          .value_column = 2 * hidden + column,
          .head_size = head_size,
          .scale = 1.0F / std::sqrt(static_cast<float>(head_size)),
          .key_bias = key_bias_at(key_bias, head.first_row),
          .head = head.number};
}

/// Has the head's result written to its place in `output`, `[T, hidden]`.
void write_to(cpu::AttentionTask& task, const at::Tensor& output) {
  const bool half = output.scalar_type() == at::kBFloat16;
  task.element = half ? cpu::Element::bfloat16 : cpu::Element::float32;
  task.output_stride = output.size(1);
  task.output = static_cast<std::byte*>(output.mutable_data_ptr()) +
                (task.first_row * output.size(1) + task.query_column) * output.itemsize();
}

}  // namespace

bool attends_rows(int64_t head_size) {
  return cpu::attention_supports(head_size);
}

at::Tensor key_bias_of(const PackedBatch& batch) {
  if (!batch.key_mask.defined()) return {};
  return at::zeros({batch.tokens()})
      .masked_fill_(batch.key_mask.logical_not(), -std::numeric_limits<float>::infinity());
}

Operand attend_rows(const Product& qkv, const PackedBatch& batch, int64_t heads,
                    Arithmetic arithmetic) {
  const int64_t hidden = qkv.values.size(1) / 3;
  const int64_t head_size = hidden / heads;
  const bool half = arithmetic == Arithmetic::bfloat16;
  const at::Tensor output = at::empty({batch.tokens(), hidden}, half ? at::kBFloat16 : at::kFloat);
  const cpu::ProductRows rows = view(qkv);
  const at::Tensor key_bias = key_bias_of(batch);
  for_each_head(batch.offsets, heads, head_size, cpu::attention_scratch,
                [&](const Head& head, float* room) {
                  cpu::AttentionTask task = task_of(head, hidden, head_size, key_bias);
                  write_to(task, output);
                  cpu::row_kernels().attend(rows, task, room);
                });
  return arithmetic == Arithmetic::int8 ? operand_of(output, arithmetic) : Operand{output};
}

TrainedAttention attend_training(const at::Tensor& qkv, const AttentionSettings& settings) {
  const int64_t tokens = qkv.size(0);
  const int64_t hidden = qkv.size(1) / 3;
  const int64_t head_size = hidden / settings.heads;
  TrainedAttention result = {at::empty({tokens, hidden}, qkv.options()),
                             at::empty({settings.heads, tokens})};
  const cpu::ProductRows rows = view(qkv);
  auto* log_sums = result.log_sums.mutable_data_ptr<float>();
  for_each_head(settings.offsets, settings.heads, head_size, cpu::attention_scratch,
                [&](const Head& head, float* room) {
                  cpu::AttentionTask task = task_of(head, hidden, head_size, settings.key_bias);
                  write_to(task, result.output);
                  task.dropout = settings.dropout;
                  task.log_sums = log_sums + head.number * tokens + head.first_row;
                  cpu::row_kernels().attend(rows, task, room);
                });
  return result;
}

at::Tensor attention_gradient(const at::Tensor& qkv, const TrainedAttention& forward,
                              const at::Tensor& output_gradient,
                              const AttentionSettings& settings) {
  const int64_t tokens = qkv.size(0);
  const int64_t hidden = qkv.size(1) / 3;
  const int64_t head_size = hidden / settings.heads;
  at::Tensor gradient = at::empty_like(qkv);
  const cpu::ProductRows rows = view(qkv);
  const cpu::ProductRows output = view(forward.output);
  const cpu::ProductRows of_output = view(output_gradient);
  auto* log_sums = forward.log_sums.mutable_data_ptr<float>();  // is read only
  for_each_head(settings.offsets, settings.heads, head_size, cpu::attention_gradient_scratch,
                [&](const Head& head, float* room) {
                  cpu::AttentionGradientTask task = {
                      .forward = task_of(head, hidden, head_size, settings.key_bias),
                      .output = output,
                      .output_gradient = of_output,
                      .output_column = head.number * head_size,
                      .qkv_gradient = gradient.mutable_data_ptr(),
                      .element = rows.element,
                      .gradient_stride = gradient.stride(0)};
                  task.forward.dropout = settings.dropout;
                  task.forward.log_sums = log_sums + head.number * tokens + head.first_row;
                  cpu::row_kernels().attend_gradient(rows, task, room);
                });
  return gradient;
}

}  // namespace bertcnn::kernels
