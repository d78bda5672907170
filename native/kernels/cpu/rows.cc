#include "kernels/cpu/rows.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/outer.h>

#include "kernels/card.h"
#include "kernels/onednn.h"

#if !defined(_OPENMP) && !defined(__clang_analyzer__)
#error "at::parallel_for would compute on one thread"
#endif

namespace bertcnn::kernels {
namespace {

const float* data_or_null(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<float>() : nullptr;
}

/// A new operand `[rows, size]` and the kernels' view of it. In float32 the values are those of the
/// residual stream themselves, so there is nothing to write.
struct NewOperand {
  Operand operand;
  cpu::OperandRows rows;
};

NewOperand new_operand(int64_t rows, int64_t size, Arithmetic arithmetic) {
  NewOperand made;
  switch (arithmetic) {
    case Arithmetic::bfloat16:
      made.operand.values = at::empty({rows, size}, at::kBFloat16);
      made.rows.element = cpu::Element::bfloat16;
      break;
    case Arithmetic::int8:
      made.operand = {at::empty({rows, size}, at::kByte), at::empty({rows}), at::empty({rows})};
      made.rows.element = cpu::Element::uint8;
      made.rows.scales = made.operand.scales.mutable_data_ptr<float>();
      made.rows.zeros = made.operand.zeros.mutable_data_ptr<float>();
      made.rows.levels = onednn::largest_uint8();
      break;
    case Arithmetic::float32:
    case Arithmetic::float16:
    case Arithmetic::autograd:
      made.operand.values = at::empty({rows, size});
      break;
  }
  made.rows.values = made.operand.values.mutable_data_ptr();
  return made;
}

struct NewHiddenStates {
  HiddenStates hidden;
  cpu::LayerNormRows norm;
};

NewHiddenStates new_hidden_states(int64_t rows, const LayerNormWeights& weights,
                                  Arithmetic arithmetic) {
  const int64_t size = weights.weight.numel();
  NewHiddenStates made;
  made.hidden.values = at::empty({rows, size});
  made.norm = {.weight = weights.weight.const_data_ptr<float>(),
               .bias = weights.bias.const_data_ptr<float>(),
               .epsilon = static_cast<float>(weights.epsilon),
               .size = size,
               .output = made.hidden.values.mutable_data_ptr<float>()};
  if (arithmetic == Arithmetic::float32) {
    made.hidden.operand.values = made.hidden.values;
  } else {
    NewOperand operand = new_operand(rows, size, arithmetic);
    made.hidden.operand = std::move(operand.operand);
    made.norm.operand = operand.rows;
    made.norm.operand.centre = data_or_null(weights.operand_centre);
  }
  return made;
}

}  // namespace

cpu::ProductRows view(const at::Tensor& x) {
  const bool half = x.scalar_type() == at::kBFloat16;
  return {.values = x.const_data_ptr(),
          .element = half ? cpu::Element::bfloat16 : cpu::Element::float32,
          .stride = x.stride(0)};
}

cpu::ProductRows view(const Product& product) {
  cpu::ProductRows rows = view(product.values);
  rows.row_scales = data_or_null(product.scales);
  rows.row_zeros = data_or_null(product.zeros);
  rows.column_sums = data_or_null(product.column_sums);
  rows.bias = data_or_null(product.bias);
  return rows;
}

float* thread_room(int64_t floats) {
  thread_local std::vector<float> room;
  if (static_cast<int64_t>(room.size()) < floats) room.resize(floats);
  return room.data();
}

cpu::RowActivation row_activation(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return cpu::RowActivation::gelu;
    case Activation::gelu_tanh:
      return cpu::RowActivation::gelu_tanh;
    case Activation::gelu_clipped:
      return cpu::RowActivation::gelu_clipped;
    case Activation::quick_gelu:
      return cpu::RowActivation::quick_gelu;
    case Activation::relu:
      return cpu::RowActivation::relu;
    case Activation::silu:
      return cpu::RowActivation::silu;
    case Activation::tanh:
      return cpu::RowActivation::tanh;
  }
  return cpu::RowActivation::gelu;
}

HiddenStates layer_norm_rows(const Product& product, const at::Tensor& residual,
                             const LayerNormWeights& norm, Arithmetic arithmetic) {
  if (on_card(residual)) return layer_norm_on_card(product, residual, norm);
  const int64_t rows = residual.size(0);
  NewHiddenStates made = new_hidden_states(rows, norm, arithmetic);
  const cpu::ProductRows product_rows = view(product);
  const float* before = residual.const_data_ptr<float>();
  at::parallel_for(0, rows, kRowsOfThread, [&](int64_t begin, int64_t end) {
    cpu::row_kernels().residual_layer_norm(product_rows, before, made.norm, begin, end);
  });
  return std::move(made.hidden);
}

HiddenStates embed_rows(const EmbeddingTables& tables, const PackedBatch& batch,
                        const LayerNormWeights& norm, Arithmetic arithmetic) {
  if (on_card(tables.words)) return embed_on_card(tables, batch, norm, arithmetic);
  NewHiddenStates made = new_hidden_states(batch.tokens(), norm, arithmetic);
  const cpu::EmbeddingRows embeddings = {
      .words = tables.words.const_data_ptr<float>(),
      .positions = tables.positions.const_data_ptr<float>(),
      .types = tables.types.const_data_ptr<float>(),
      .word_ids = batch.input_ids.const_data_ptr<int64_t>(),
      .position_ids = batch.position_ids.const_data_ptr<int64_t>(),
      .type_ids = batch.token_type_ids.const_data_ptr<int64_t>()};
  at::parallel_for(0, batch.tokens(), kRowsOfThread, [&](int64_t begin, int64_t end) {
    cpu::row_kernels().embedding_layer_norm(embeddings, made.norm, begin, end);
  });
  return std::move(made.hidden);
}

Operand activate_rows(const Product& product, Activation activation, Arithmetic arithmetic) {
  const int64_t rows = product.values.size(0);
  const int64_t columns = product.values.size(1);
  NewOperand made = new_operand(rows, columns, arithmetic);
  const cpu::ProductRows product_rows = view(product);
  at::parallel_for(0, rows, kRowsOfThread, [&](int64_t begin, int64_t end) {
    cpu::row_kernels().activate(product_rows, columns, row_activation(activation), made.rows,
                                thread_room(columns), begin, end);
  });
  return std::move(made.operand);
}

Operand operand_of(const at::Tensor& x, Arithmetic arithmetic) {
  if (on_card(x)) return {x.to(card_type(arithmetic))};
  if (arithmetic != Arithmetic::int8) {
    return {arithmetic == Arithmetic::bfloat16 ? x.to(at::kBFloat16) : x};
  }
  const int64_t rows = x.size(0);
  NewOperand made = new_operand(rows, x.size(1), arithmetic);
  const float* values = x.const_data_ptr<float>();
  at::parallel_for(0, rows, kRowsOfThread, [&](int64_t begin, int64_t end) {
    cpu::row_kernels().quantize(values, x.size(1), made.rows, begin, end);
  });
  return std::move(made.operand);
}

at::Tensor dense(const Product& product) {
  if (!product.scales.defined()) return product.values.to(at::kFloat);
  const at::Tensor offsets = at::outer(product.zeros, product.column_sums);
  return product.scales.unsqueeze(1) * (product.values - offsets) + product.bias;
}

at::Tensor window_max_rows(const Product& product, const PackedBatch& batch,
                           const std::vector<int64_t>& kernel_sizes, const at::Tensor& biases) {
  if (on_card(product.values)) return window_max_on_card(product, batch, kernel_sizes, biases);
  const auto sizes = static_cast<int64_t>(kernel_sizes.size());
  const int64_t filters = biases.numel() / sizes;
  at::Tensor features = at::empty({batch.sequences(), biases.numel()});
  const cpu::ProductRows product_rows = view(product);
  std::vector<cpu::WindowTask> tasks;
  int64_t column = 0;
  for (int64_t i = 0; i < sizes; ++i) {
    tasks.push_back({.first_column = column,
                     .kernel_size = kernel_sizes[i],
                     .filters = filters,
                     .bias = biases.const_data_ptr<float>() + i * filters,
                     .output = features.mutable_data_ptr<float>() + i * filters,
                     .output_stride = biases.numel()});
    column += kernel_sizes[i] * filters;
  }
  at::parallel_for(0, batch.sequences() * sizes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t number = begin; number < end; ++number) {
      const int64_t sequence = number / sizes;
      cpu::row_kernels().window_max(product_rows, batch.offsets.data(), tasks[number % sizes],
                                    sequence, sequence + 1);
    }
  });
  return features;
}

}  // namespace bertcnn::kernels
