#include "kernels/trained_windows.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <tuple>

#include "kernels/cpu/rows.h"

namespace bertcnn::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Where things are of one kernel size.
struct Bank {
  int64_t kernel_size;
  int64_t filters;
  int64_t first_feature;  // column of the features
  int64_t first_row;      // row of the weight, column of the product
};

std::vector<Bank> banks_of(const std::vector<int64_t>& kernel_sizes, int64_t features) {
  std::vector<Bank> banks;
  const int64_t filters = features / static_cast<int64_t>(kernel_sizes.size());
  int64_t row = 0;
  for (const int64_t kernel_size : kernel_sizes) {
    banks.push_back({kernel_size, filters, static_cast<int64_t>(banks.size()) * filters, row});
    row += kernel_size * filters;
  }
  return banks;
}

/// The windows whose sums are a sequence's largest.
struct Winners {
  at::Tensor highest;  // [B, features], those sums
  at::Tensor first;    // [B, features] int32, the row where the first of the windows starts
  at::Tensor counts;   // [B, features] int32
};

Winners find_winners(const at::Tensor& product, const std::vector<int64_t>& offsets, int64_t seen,
                     const std::vector<Bank>& banks) {
  const auto sizes = static_cast<int64_t>(banks.size());
  const int64_t sequences = static_cast<int64_t>(offsets.size()) - 1;
  const int64_t features = sizes * banks[0].filters;
  const at::Tensor highest = at::empty({sequences, features});
  const at::Tensor first = at::empty(highest.sizes(), at::kInt);
  const at::Tensor counts = at::empty(highest.sizes(), at::kInt);
  const cpu::ProductRows rows = view(product);
  std::vector<cpu::WindowWinnersTask> tasks;
  std::vector<std::vector<int64_t>> unseen;  // the offsets of each kernel size
  tasks.reserve(banks.size());
  for (const Bank& bank : banks) {
    unseen.push_back(offsets);
    unseen.back()[0] = first_unseen(seen, bank.kernel_size);
    tasks.push_back({.first_column = bank.first_row,
                     .kernel_size = bank.kernel_size,
                     .filters = bank.filters,
                     .highest = highest.mutable_data_ptr<float>() + bank.first_feature,
                     .winners = first.mutable_data_ptr<int32_t>() + bank.first_feature,
                     .counts = counts.mutable_data_ptr<int32_t>() + bank.first_feature,
                     .stride = features});
  }
  at::parallel_for(0, sequences * sizes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) {
      const int64_t sequence = number / sizes;
      const int64_t size = number % sizes;
      cpu::row_kernels().window_winners(rows, unseen[size].data(), tasks[size], sequence,
                                        sequence + 1);
    }
  });
  return {highest, first, counts};
}

/// A window and the gradient that goes to it.
struct Share {
  int64_t begin;  // its first row
  int64_t end;    // behind its last row
  float gradient;
};

/// What one filter's maxima send back, sequence by sequence.
class Shares {
 public:
  Shares(const at::Tensor& product, const at::Tensor& gradient, const Winners& winners,
         const std::vector<int64_t>& offsets)
      : product_(view(product)),
        half_(product.scalar_type() == at::kBFloat16),
        gradient_(gradient.const_data_ptr<float>()),
        highest_(winners.highest.const_data_ptr<float>()),
        first_(winners.first.const_data_ptr<int32_t>()),
        counts_(winners.counts.const_data_ptr<int32_t>()),
        features_(gradient.size(1)),
        offsets_(offsets) {}

  /// Appends those of sequence b in the bank's filter.
  void add(int64_t b, const Bank& bank, int64_t filter, std::vector<Share>& shares) const {
    const int64_t place = b * features_ + bank.first_feature + filter;
    if (gradient_[place] == 0) return;
    const int64_t end = offsets_[b + 1];
    const float share = gradient_[place] / static_cast<float>(std::max(counts_[place], 1));
    const auto add_window = [&](int64_t row) {
      shares.push_back({row, std::min(row + bank.kernel_size, end), share});
    };
    add_window(first_[place]);
    // Rarely more than one: as where a filter's weights are 0.
    int64_t rest = counts_[place] - 1;
    for (int64_t row = first_[place] + 1; rest > 0 && row + bank.kernel_size <= end; ++row) {
      if (sum(row, bank, filter) != highest_[place]) continue;
      add_window(row);
      --rest;
    }
  }

 private:
  /// In the order of `window_winners`, so that equal sums are equal.
  float sum(int64_t row, const Bank& bank, int64_t filter) const {
    float total = 0;
    for (int64_t j = 0; j < bank.kernel_size; ++j) {
      total += value((row + j) * product_.stride + bank.first_row + j * bank.filters + filter);
    }
    return total;
  }
  float value(int64_t place) const {
    if (half_) return static_cast<float>(static_cast<const at::BFloat16*>(product_.values)[place]);
    return static_cast<const float*>(product_.values)[place];
  }

  cpu::ProductRows product_;
  bool half_;
  const float* gradient_;
  const float* highest_;
  const int32_t* first_;
  const int32_t* counts_;
  int64_t features_;
  const std::vector<int64_t>& offsets_;
};

/// [sum of k * F, H]: each of its rows is added up by one thread, sequence by sequence.
at::Tensor weight_gradient(const at::Tensor& hidden, const Shares& shares, int64_t sequences,
                           const std::vector<Bank>& banks) {
  const int64_t size = hidden.size(1);
  const Bank& last = banks.back();
  at::Tensor result = at::zeros({last.first_row + last.kernel_size * last.filters, size});
  const auto* rows = hidden.const_data_ptr<float>();
  auto* to = result.mutable_data_ptr<float>();
  const int64_t features = last.first_feature + last.filters;
  at::parallel_for(0, features, 4, [&](int64_t begin, int64_t end) {
    std::vector<Share> some;
    for (int64_t feature = begin; feature < end; ++feature) {
      const Bank& bank = banks[feature / last.filters];
      const int64_t filter = feature % last.filters;
      some.clear();
      for (int64_t b = 0; b < sequences; ++b) shares.add(b, bank, filter, some);
      for (int64_t j = 0; j < bank.kernel_size; ++j) {
        float* row = to + (bank.first_row + j * bank.filters + filter) * size;
        for (const Share& share : some) {
          if (share.begin + j >= share.end) continue;
          cpu::row_kernels().add_scaled(rows + (share.begin + j) * size, share.gradient, size, row);
        }
      }
    }
  });
  return result;
}

/// [T, H]: each sequence's rows are added up by one thread, filter by filter.
at::Tensor hidden_gradient(const at::Tensor& weight, const Shares& shares,
                           const std::vector<int64_t>& offsets, const std::vector<Bank>& banks) {
  const int64_t size = weight.size(1);
  at::Tensor result = at::zeros({offsets.back(), size});
  const auto* from = weight.const_data_ptr<float>();
  auto* rows = result.mutable_data_ptr<float>();
  const int64_t sequences = static_cast<int64_t>(offsets.size()) - 1;
  at::parallel_for(0, sequences, 1, [&](int64_t begin, int64_t end) {
    std::vector<Share> some;
    for (int64_t b = begin; b < end; ++b) {
      for (const Bank& bank : banks) {
        for (int64_t filter = 0; filter < bank.filters; ++filter) {
          some.clear();
          shares.add(b, bank, filter, some);
          for (const Share& share : some) {
            const float* row = from + (bank.first_row + filter) * size;
            for (int64_t t = share.begin; t < share.end; ++t, row += bank.filters * size) {
              cpu::row_kernels().add_scaled(row, share.gradient, size, rows + t * size);
            }
          }
        }
      }
    }
  });
  return result;
}

struct WindowMaximum : torch::autograd::Function<WindowMaximum> {
  static variable_list forward(AutogradContext* context, const at::Tensor& hidden,
                               const at::Tensor& weight, const at::Tensor& biases,
                               const std::vector<int64_t>& kernel_sizes,
                               const std::vector<int64_t>& offsets, int64_t seen, bool half) {
    const auto type = half ? TrainedType::bfloat16 : TrainedType::float32;
    const at::Tensor product = trained_product(hidden, weight, type);
    const Winners winners =
        find_winners(product, offsets, seen, banks_of(kernel_sizes, biases.size(0)));
    at::Tensor features = at::relu(winners.highest + biases);
    at::Tensor counts = winners.counts.to(at::kFloat);
    context->mark_non_differentiable({counts});
    context->save_for_backward(
        {hidden, weight, product, winners.highest, winners.first, winners.counts, features});
    context->saved_data["kernel_sizes"] = kernel_sizes;
    context->saved_data["offsets"] = offsets;
    return {features, counts};
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto& [hidden, weight, product] = std::tie(saved[0], saved[1], saved[2]);
    const at::Tensor gradient = (gradients[0] * saved[6].gt(0)).contiguous();
    const auto kernel_sizes = context->saved_data.at("kernel_sizes").toIntVector();
    const auto offsets = context->saved_data.at("offsets").toIntVector();
    const std::vector<Bank> banks = banks_of(kernel_sizes, gradient.size(1));
    const Shares shares(product, gradient, {saved[3], saved[4], saved[5]}, offsets);
    variable_list result(7);
    if (context->needs_input_grad(0)) result[0] = hidden_gradient(weight, shares, offsets, banks);
    if (context->needs_input_grad(1)) {
      result[1] = weight_gradient(hidden, shares, gradient.size(0), banks);
    }
    if (context->needs_input_grad(2)) result[2] = gradient.sum(0);
    return result;
  }
};

}  // namespace

WindowMaxima trained_windows(const at::Tensor& hidden, const WindowWeights& weights,
                             const PackedBatch& batch, int64_t seen, TrainedType type) {
  const variable_list result = WindowMaximum::apply(
      hidden.contiguous(), weights.weight, weights.biases, weights.kernel_sizes, batch.offsets,
      seen, type == TrainedType::bfloat16);
  return {result[0], result[1]};
}

}  // namespace bertcnn::kernels
