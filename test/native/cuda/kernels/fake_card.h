// A card that is the CPU: the kernels' source, run by threads, behind the interface that
// libbertcnn_cuda implements. What calls it takes its tensors for a card's.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "cuda/kernels/activation.h"
#include "cuda/kernels/host_team.h"
#include "cuda/kernels/layer_norm.h"
#include "cuda/kernels/windows.h"
#include "cuda/operations.h"
#include "kernels/card.h"

namespace bertcnn::cuda {

/// Calls f with a value of the tensor's type.
template <typename Function>
void with_type_of(const at::Tensor& x, Function&& f) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return f(float{});
    case at::kHalf:
      return f(at::Half{});
    case at::kBFloat16:
      return f(at::BFloat16{});
    default:
      throw std::logic_error("no kernel of this type");
  }
}

/// Calls f with the width of a pack, as the kernels choose it.
template <typename Function>
void with_width(int64_t size, Function&& f) {
  if (size % 8 == 0) return f(std::integral_constant<int, 8>{});
  f(std::integral_constant<int, 1>{});
}

inline NormTask norm_task(const Norm& norm, const at::Tensor& output) {
  return {norm.weight.const_data_ptr<float>(), norm.bias.const_data_ptr<float>(),
          static_cast<float>(norm.epsilon), output.size(1), output.mutable_data_ptr()};
}

class FakeCard final : public Operations {
 public:
  explicit FakeCard(int team = 1) : team_(team) {}
  ~FakeCard() = default;

  mutable int calls = 0;
  mutable int emptied = 0;
  bool memory_for_graphs = true;

  bool takes(const at::Tensor& /*x*/) const override { return true; }

  at::Tensor embed(const Embeddings& embeddings, const Norm& norm,
                   at::ScalarType type) const override {
    ++calls;
    const int64_t tokens = embeddings.word_ids.size(0);
    at::Tensor output = at::empty({tokens, embeddings.words.size(1)}, type);
    const EmbeddingTask task = {embeddings.words.const_data_ptr<float>(),
                                embeddings.positions.const_data_ptr<float>(),
                                embeddings.types.const_data_ptr<float>(),
                                embeddings.word_ids.const_data_ptr<int64_t>(),
                                embeddings.position_ids.const_data_ptr<int64_t>(),
                                embeddings.type_ids.const_data_ptr<int64_t>()};
    const NormTask after = norm_task(norm, output);
    for_each_row(output,
                 [&](const HostTeam& team, float* room, int64_t row, auto zero, auto width) {
                   embed_row<width(), decltype(zero)>(team, room, task, after, row);
                 });
    return output;
  }

  at::Tensor add_and_normalize(const at::Tensor& product, const at::Tensor& residual,
                               const Norm& norm) const override {
    ++calls;
    TORCH_CHECK(product.scalar_type() == residual.scalar_type(), "two types in one sum");
    at::Tensor output = at::empty(product.sizes(), product.options());
    const ResidualTask task = {product.const_data_ptr(), residual.const_data_ptr()};
    const NormTask after = norm_task(norm, output);
    for_each_row(output,
                 [&](const HostTeam& team, float* room, int64_t row, auto zero, auto width) {
                   residual_row<width(), decltype(zero)>(team, room, task, after, row);
                 });
    return output;
  }

  void activate(const at::Tensor& values, const at::Tensor& bias,
                kernels::Activation activation) const override {
    ++calls;
    const ActivationTask task = {values.mutable_data_ptr(), bias.const_data_ptr<float>(),
                                 values.size(0), values.size(1), activation};
    with_type_of(values, [&](auto zero) {
      with_width(task.columns, [&](auto width) {
        for (int64_t i = 0; i < values.numel() / width(); ++i) {
          activate_pack<width(), decltype(zero)>(task, i);
        }
      });
    });
  }

  /// By libtorch's own operation: what the card uses here is libtorch's, too.
  at::Tensor attend(const at::Tensor& qkv, const Sequences& sequences,
                    int64_t heads) const override {
    ++calls;
    const int64_t hidden = qkv.size(1) / 3;
    const auto* offsets = sequences.offsets.const_data_ptr<int32_t>();
    // Not zeros: rows of no sequence are not set.
    at::Tensor output =
        at::full({qkv.size(0), hidden}, std::numeric_limits<float>::quiet_NaN(), qkv.options());
    for (int64_t b = 0; b + 1 < sequences.offsets.size(0); ++b) {
      const int64_t length = offsets[b + 1] - offsets[b];
      TORCH_CHECK(length <= sequences.longest, "a sequence of ", length, " tokens");
      if (length == 0) continue;
      // [3, heads, L, D]
      const at::Tensor parts = qkv.narrow(0, offsets[b], length)
                                   .view({length, 3, heads, hidden / heads})
                                   .permute({1, 2, 0, 3});
      const at::Tensor attended = at::scaled_dot_product_attention(
          parts[0].unsqueeze(0), parts[1].unsqueeze(0), parts[2].unsqueeze(0))[0];
      output.narrow(0, offsets[b], length)
          .copy_(attended.transpose(0, 1).reshape({length, hidden}));
    }
    return output;
  }

  at::Tensor largest_windows(const at::Tensor& product, const Sequences& sequences,
                             const Bank& bank) const override {
    ++calls;
    const int64_t rows = sequences.offsets.size(0) - 1;
    const auto sizes = static_cast<int64_t>(bank.kernel_sizes.size());
    at::Tensor output = at::empty({rows, bank.bias.numel()}, at::kFloat);
    WindowTask task = {.product = product.const_data_ptr(),
                       .stride = product.stride(0),
                       .offsets = sequences.offsets.const_data_ptr<int32_t>(),
                       .sequences = rows,
                       .filters = bank.bias.numel() / sizes,
                       .kernel_sizes = static_cast<int>(sizes),
                       .bias = bank.bias.const_data_ptr<float>(),
                       .output = output.mutable_data_ptr<float>()};
    int64_t column = 0;
    for (int64_t i = 0; i < sizes; ++i) {
      task.kernel_size[i] = static_cast<int32_t>(bank.kernel_sizes[i]);
      task.first_column[i] = column;
      column += bank.kernel_sizes[i] * task.filters;
    }
    with_type_of(product, [&](auto zero) {
      for (int64_t i = 0; i < output.numel(); ++i) {
        store(task, i / task.features(), i % task.features(), zero);
      }
    });
    return output;
  }

  /// "Records" by keeping what is to be computed.
  std::unique_ptr<GraphRecorder> graph_recorder(c10::Device /*device*/) const override {
    struct Kept final : Graph {
      std::function<void()> compute;
      void replay() override { compute(); }
    };
    struct Recorder final : GraphRecorder {
      bool has_memory = true;
      std::unique_ptr<Graph> record(const std::function<void()>& compute) override {
        TORCH_CHECK_WITH(OutOfMemoryError, has_memory, "no memory for a graph");
        compute();
        auto graph = std::make_unique<Kept>();
        graph->compute = compute;
        return graph;
      }
    };
    auto recorder = std::make_unique<Recorder>();
    recorder->has_memory = memory_for_graphs;
    return recorder;
  }

  Card describe(c10::Device /*device*/) const override { return {"fake card", 9, 0, 1 << 30}; }
  Memory memory(c10::Device /*device*/) const override { return {}; }
  void empty_cache() const override { ++emptied; }
  void limit_memory(c10::Device /*device*/, int64_t /*bytes*/) const override {}

 private:
  /// f(team, room, row, value of the type, width)
  template <typename Function>
  void for_each_row(const at::Tensor& output, Function&& f) const {
    std::vector<float> room(output.size(1));
    with_type_of(output, [&](auto zero) {
      with_width(output.size(1), [&](auto width) {
        for (int64_t row = 0; row < output.size(0); ++row) {
          with_team(team_, [&](const HostTeam& team) { f(team, room.data(), row, zero, width); });
        }
      });
    });
  }

  template <typename T>
  void store(const WindowTask& task, int64_t sequence, int64_t feature, T /*zero*/) const {
    float largest = -std::numeric_limits<float>::infinity();
    for (int slice = 0; slice < team_; ++slice) {
      largest = larger(largest, largest_window<T>(task, sequence, feature, slice, team_));
    }
    store_feature(task, sequence, feature, largest);
  }

  int team_;
};

/// The process computes on this card while the object lives.
class WithCard {
 public:
  explicit WithCard(const Operations& card) { kernels::use_card(&card); }
  ~WithCard() { kernels::use_card(nullptr); }
  WithCard(const WithCard&) = delete;
  WithCard& operator=(const WithCard&) = delete;
};

}  // namespace bertcnn::cuda
