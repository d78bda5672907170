// Each instruction set's row kernels against the same computed by libtorch in float64.
#include "kernels/cpu/row_kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cpu/tables.h"

namespace bertcnn::kernels::cpu {
namespace {

class RowKernelsTest : public ::testing::TestWithParam<const RowKernels*> {
 protected:
  RowKernelsTest() { at::manual_seed(3); }
  const RowKernels& kernels_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Tables, RowKernelsTest, ::testing::ValuesIn(all_tables()), table_name);

/// A product in each of its three forms, with what it stands for in float64.
struct TestProduct {
  std::string form;
  at::Tensor values;
  at::Tensor scales;
  at::Tensor zeros;
  at::Tensor sums;
  at::Tensor bias;
  at::Tensor meaning;

  ProductRows rows() const {
    const auto data = [](const at::Tensor& x) {
      return x.defined() ? x.const_data_ptr<float>() : nullptr;
    };
    return {values.const_data_ptr(),
            values.scalar_type() == at::kBFloat16 ? Element::bfloat16 : Element::float32,
            values.size(1),
            data(scales),
            data(zeros),
            data(sums),
            data(bias)};
  }
};

std::vector<TestProduct> products(int64_t rows, int64_t columns) {
  const at::Tensor x = at::randn({rows, columns});
  TestProduct integer{"integer",
                      at::randint(-20000, 20000, {rows, columns}).to(at::kFloat) * 1e-3,
                      at::rand({rows}) + 0.1,
                      at::randint(0, 255, {rows}).to(at::kFloat),
                      at::randn({columns}) * 0.01,
                      at::randn({columns})};
  integer.meaning = integer.scales.to(at::kDouble).unsqueeze(1) *
                        (integer.values.to(at::kDouble) -
                         at::outer(integer.zeros.to(at::kDouble), integer.sums.to(at::kDouble))) +
                    integer.bias.to(at::kDouble);
  const at::Tensor half = x.to(at::kBFloat16);
  return {{"float32", x, {}, {}, {}, {}, x.to(at::kDouble)},
          {"bfloat16", half, {}, {}, {}, {}, half.to(at::kDouble)},
          integer};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// An operand and what it stands for.
struct TestOperand {
  TestOperand(int64_t rows, int64_t size, Element element, int levels = 255)
      : values(at::empty({rows, size}, element == Element::float32    ? at::kFloat
                                       : element == Element::bfloat16 ? at::kBFloat16
                                                                      : at::kByte)),
        scales(at::zeros({rows})),
        zeros(at::zeros({rows})),
        view{values.mutable_data_ptr(), element, scales.mutable_data_ptr<float>(),
             zeros.mutable_data_ptr<float>(), levels} {}

  at::Tensor meaning() const {
    if (view.element != Element::uint8) return values.to(at::kDouble);
    return scales.to(at::kDouble).unsqueeze(1) *
           (values.to(at::kDouble) - zeros.to(at::kDouble).unsqueeze(1));
  }

  at::Tensor values;
  at::Tensor scales;
  at::Tensor zeros;
  OperandRows view;
};

/// How far an operand may be from the row that it was made of.
double tolerance(Element element, const at::Tensor& x, int levels = 255) {
  if (element == Element::float32) return 1e-5;
  if (element == Element::bfloat16) return x.abs().max().item<double>() / 256 + 1e-5;
  const double range =
      std::max(x.max().item<double>(), 0.0) - std::min(x.min().item<double>(), 0.0);
  return range / levels + 1e-5;  // half a step of the value and half a one of the zero point
}

constexpr std::array kElements = {Element::float32, Element::bfloat16, Element::uint8};

// Sizes that fill vectors of every width, and sizes that do not.
constexpr std::array<int64_t, 5> kSizes = {1, 7, 12, 64, 390};

TEST_P(RowKernelsTest, LayerNormOfAProductAndAResidual) {
  for (const int64_t size : kSizes) {
    for (const TestProduct& product : products(5, size)) {
      for (const Element element : kElements) {
        SCOPED_TRACE(product.form + ", size " + std::to_string(size));
        const at::Tensor residual = at::randn({5, size});
        const at::Tensor weight = at::randn({size});
        const at::Tensor bias = at::randn({size});
        at::Tensor output = at::zeros({5, size});
        TestOperand operand(5, size, element);
        const LayerNormRows norm = {weight.const_data_ptr<float>(),
                                    bias.const_data_ptr<float>(),
                                    1e-3F,
                                    size,
                                    output.mutable_data_ptr<float>(),
                                    operand.view};
        // In two parts, as two threads would.
        kernels_.residual_layer_norm(product.rows(), residual.const_data_ptr<float>(), norm, 0, 2);
        kernels_.residual_layer_norm(product.rows(), residual.const_data_ptr<float>(), norm, 2, 5);
        const at::Tensor expected =
            at::layer_norm(product.meaning + residual.to(at::kDouble), {size},
                           weight.to(at::kDouble), bias.to(at::kDouble), 1e-3);
        EXPECT_LT(largest_difference(output, expected), 2e-5);
        EXPECT_LT(largest_difference(operand.meaning(), output), tolerance(element, output));
      }
    }
  }
}

TEST_P(RowKernelsTest, LayerNormOfLargeMeansLosesNothing) {
  const at::Tensor x = at::randn({1, 96}) + 1000;
  at::Tensor output = at::zeros({1, 96});
  const at::Tensor ones = at::ones({96});
  const at::Tensor zeros = at::zeros({1, 96});
  const LayerNormRows norm = {ones.const_data_ptr<float>(),
                              zeros.const_data_ptr<float>(),
                              1e-12F,
                              96,
                              output.mutable_data_ptr<float>(),
                              {}};
  kernels_.residual_layer_norm({x.const_data_ptr(), Element::float32, 96},
                               zeros.const_data_ptr<float>(), norm, 0, 1);
  EXPECT_LT(largest_difference(output, at::layer_norm(x.to(at::kDouble), {96}, {}, {}, 1e-12)),
            5e-4);
}

TEST_P(RowKernelsTest, LayerNormOfEmbeddings) {
  const at::Tensor words = at::randn({9, 20});
  const at::Tensor positions = at::randn({6, 20});
  const at::Tensor types = at::randn({2, 20});
  const std::vector<int64_t> word_ids = {8, 0, 3};
  const std::vector<int64_t> position_ids = {0, 5, 2};
  const std::vector<int64_t> type_ids = {1, 0, 1};
  const at::Tensor weight = at::randn({20});
  const at::Tensor bias = at::randn({20});
  at::Tensor output = at::zeros({3, 20});
  kernels_.embedding_layer_norm(
      {words.const_data_ptr<float>(), positions.const_data_ptr<float>(),
       types.const_data_ptr<float>(), word_ids.data(), position_ids.data(), type_ids.data()},
      {weight.const_data_ptr<float>(),
       bias.const_data_ptr<float>(),
       1e-12F,
       20,
       output.mutable_data_ptr<float>(),
       {}},
      0, 3);
  for (int64_t row = 0; row < 3; ++row) {
    const at::Tensor sum =
        words[word_ids[row]] + positions[position_ids[row]] + types[type_ids[row]];
    EXPECT_LT(largest_difference(output[row], at::layer_norm(sum, {20}, weight, bias, 1e-12)),
              2e-5);
  }
}

TEST_P(RowKernelsTest, Activations) {
  const std::vector<std::pair<RowActivation, at::Tensor (*)(const at::Tensor&)>> activations = {
      {RowActivation::gelu, [](const at::Tensor& x) { return at::gelu(x); }},
      {RowActivation::gelu_tanh, [](const at::Tensor& x) { return at::gelu(x, "tanh"); }},
      {RowActivation::gelu_clipped,
       [](const at::Tensor& x) { return at::clamp(at::gelu(x), -10, 10); }},
      {RowActivation::quick_gelu, [](const at::Tensor& x) { return x * at::sigmoid(1.702 * x); }},
      {RowActivation::relu, [](const at::Tensor& x) { return at::relu(x); }},
      {RowActivation::silu, [](const at::Tensor& x) { return at::silu(x); }},
      {RowActivation::tanh, [](const at::Tensor& x) { return at::tanh(x); }}};
  for (const auto& [activation, expected] : activations) {
    for (const int64_t size : kSizes) {
      for (const TestProduct& product : products(3, size)) {
        for (const Element element : kElements) {
          SCOPED_TRACE(product.form + ", " + std::to_string(static_cast<int>(activation)));
          TestOperand operand(3, size, element);
          std::vector<float> row(size);
          kernels_.activate(product.rows(), size, activation, operand.view, row.data(), 0, 3);
          const at::Tensor wanted = expected(product.meaning);
          EXPECT_LT(largest_difference(operand.meaning(), wanted), tolerance(element, wanted));
        }
      }
    }
  }
}

TEST_P(RowKernelsTest, QuantizedRowsHaveScalesOfTheirOwn) {
  for (const int levels : {255, 127}) {
    at::Tensor x = at::randn({4, 50}) * at::tensor({1e-3, 1.0, 50.0, 1e4}).unsqueeze(1);
    x = x.to(at::kFloat).contiguous();
    TestOperand operand(4, 50, Element::uint8, levels);
    kernels_.quantize(x.const_data_ptr<float>(), 50, operand.view, 0, 4);
    EXPECT_LE(operand.values.max().item<int64_t>(), levels);
    for (int64_t row = 0; row < 4; ++row) {
      EXPECT_LT(largest_difference(operand.meaning()[row], x[row]),
                tolerance(Element::uint8, x[row], levels));
    }
  }
}

TEST_P(RowKernelsTest, ARowOfZerosStaysZeroAndANaNShows) {
  at::Tensor x = at::zeros({3, 40});
  x[1][17] = std::numeric_limits<float>::quiet_NaN();
  x[2][39] = std::numeric_limits<float>::quiet_NaN();  // behind the last whole vector
  TestOperand operand(3, 40, Element::uint8);
  kernels_.quantize(x.const_data_ptr<float>(), 40, operand.view, 0, 3);
  EXPECT_EQ(operand.meaning()[0].abs().max().item<double>(), 0);
  EXPECT_TRUE(std::isnan(operand.scales[1].item<float>()));
  EXPECT_TRUE(std::isnan(operand.scales[2].item<float>()));
  TestOperand half(3, 40, Element::bfloat16);
  kernels_.quantize(x.const_data_ptr<float>(), 40, half.view, 0, 3);
  EXPECT_TRUE(std::isnan(half.values[1][17].item<float>()));
  EXPECT_TRUE(std::isnan(half.values[2][39].item<float>()));
}

TEST_P(RowKernelsTest, BFloat16IsRoundedAsLibtorchRounds) {
  const at::Tensor x = at::randn({1, 1000}) * at::exp(at::randn({1, 1000}) * 20);
  TestOperand operand(1, 1000, Element::bfloat16);
  kernels_.quantize(x.const_data_ptr<float>(), 1000, operand.view, 0, 1);
  EXPECT_TRUE(operand.values.equal(x.to(at::kBFloat16)));
}

class AttentionTest : public RowKernelsTest {};

INSTANTIATE_TEST_SUITE_P(Tables, AttentionTest, ::testing::ValuesIn(all_tables()), table_name);

TEST_P(AttentionTest, IsScaledDotProductAttention) {
  for (const int64_t size : {32, 64}) {
    ASSERT_TRUE(attention_supports(size));
    for (const int64_t length : {1, 2, 5, 6, 7, 15, 16, 17, 33, 64, 130}) {
      for (const TestProduct& qkv : products(length + 3, 3 * 2 * size)) {
        for (const bool masked : {false, true}) {
          SCOPED_TRACE(qkv.form + ", head of " + std::to_string(size) + ", " +
                       std::to_string(length) + " tokens");
          std::vector<float> key_bias(length, 0);
          if (masked) key_bias[length / 2] = -std::numeric_limits<float>::infinity();
          if (masked && length == 1) continue;
          // The second of two heads, of a sequence that starts at row 2.
          at::Tensor output = at::zeros({length + 3, 2 * size});
          std::vector<float> scratch(attention_scratch(length, size));
          AttentionTask task;
          task.first_row = 2;
          task.length = length;
          task.query_column = size;
          task.key_column = 2 * size + size;
          task.value_column = 4 * size + size;
          task.head_size = size;
          task.scale = 1.0F / std::sqrt(static_cast<float>(size));
          task.key_bias = masked ? key_bias.data() : nullptr;
          task.output = output[2].mutable_data_ptr<float>() + size;
          task.output_stride = 2 * size;
          kernels_.attend(qkv.rows(), task, scratch.data());

          const auto part = [&](int64_t column) {
            return qkv.meaning.narrow(0, 2, length).narrow(1, column, size);
          };
          at::Tensor scores = at::matmul(part(size), part(3 * size).t()) / std::sqrt(size);
          scores = scores + at::tensor(at::ArrayRef<float>(key_bias)).to(at::kDouble);
          const at::Tensor expected = at::matmul(at::softmax(scores, -1), part(5 * size));
          const double bound = 2e-6 * std::max(1.0, qkv.meaning.abs().max().item<double>());
          // Products of integers are larger, and so are their rounding errors in the scores.
          EXPECT_LT(largest_difference(output.narrow(0, 2, length).narrow(1, size, size), expected),
                    qkv.form == "integer" ? 100 * bound : bound);
          // Nothing else was written.
          EXPECT_EQ(output.narrow(1, 0, size).abs().max().item<double>(), 0);
          EXPECT_EQ(output[length + 2].abs().max().item<double>(), 0);
        }
      }
    }
  }
}

TEST_P(AttentionTest, WritesBFloat16) {
  const std::vector<TestProduct> all = products(9, 96);
  at::Tensor wide = at::zeros({9, 32});
  at::Tensor half = at::zeros({9, 32}, at::kBFloat16);
  std::vector<float> scratch(attention_scratch(9, 32));
  AttentionTask task;
  task.length = 9;
  task.key_column = 32;
  task.value_column = 64;
  task.head_size = 32;
  task.output = wide.mutable_data_ptr();
  task.output_stride = 32;
  kernels_.attend(all[1].rows(), task, scratch.data());
  task.output = half.mutable_data_ptr();
  task.element = Element::bfloat16;
  kernels_.attend(all[1].rows(), task, scratch.data());
  EXPECT_TRUE(half.equal(wide.to(at::kBFloat16)));
}

TEST_P(AttentionTest, ANaNShows) {
  at::Tensor qkv = at::randn({20, 96});
  qkv[3][40] = std::numeric_limits<float>::quiet_NaN();  // in a key: every query sees it
  at::Tensor output = at::zeros({20, 32});
  std::vector<float> scratch(attention_scratch(20, 32));
  AttentionTask task;
  task.length = 20;
  task.key_column = 32;
  task.value_column = 64;
  task.head_size = 32;
  task.output = output.mutable_data_ptr();
  task.output_stride = 32;
  kernels_.attend({qkv.const_data_ptr(), Element::float32, 96}, task, scratch.data());
  EXPECT_TRUE(output.isnan().all().item<bool>());
}

TEST_P(RowKernelsTest, FewRowsTimesAWeightInPanels) {
  constexpr int64_t kIn = 75;  // blocks do not come out even
  constexpr int64_t kOut = 3 * FewRowsTask::kPanel;
  const at::Tensor x = at::randn({FewRowsTask::kMostRows, kIn + 5});
  const at::Tensor weight = at::randn({kOut, kIn});
  const at::Tensor bias = at::randn({kOut});
  const at::Tensor panels = weight.view({3, FewRowsTask::kPanel, kIn}).transpose(1, 2).contiguous();
  const at::Tensor expected =
      at::linear(x.narrow(1, 0, kIn).to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
  constexpr RowActivation kRelu = RowActivation::relu;
  for (int64_t rows = 1; rows <= FewRowsTask::kMostRows; ++rows) {
    for (const RowActivation* activation : {static_cast<const RowActivation*>(nullptr), &kRelu}) {
      at::Tensor y = at::full({rows + 1, kOut}, 7.0F);
      const FewRowsTask task = {.x = x.const_data_ptr<float>(),
                                .x_stride = x.stride(0),
                                .rows = rows,
                                .in = kIn,
                                .out = kOut,
                                .weight = panels.const_data_ptr<float>(),
                                .bias = bias.const_data_ptr<float>(),
                                .activation = activation,
                                .output = y.mutable_data_ptr<float>()};
      kernels_.multiply_few_rows(task, 1, 3);
      const int64_t first = FewRowsTask::kPanel;
      EXPECT_TRUE(y.narrow(1, 0, first).eq(7).all().item<bool>());  // not asked for
      EXPECT_TRUE(y[rows].eq(7).all().item<bool>());
      kernels_.multiply_few_rows(task, 0, 1);
      at::Tensor want = expected.narrow(0, 0, rows);
      if (activation != nullptr) want = want.relu();
      EXPECT_LT((y.narrow(0, 0, rows) - want).abs().max().item<double>(), 1e-4) << rows;
    }
  }
}

TEST_P(RowKernelsTest, TheLargestWindow) {
  // Sequences shorter than the kernel, as long, and longer; filters that fill vectors or not.
  const std::vector<int64_t> offsets = {0, 1, 3, 6, 16};
  for (const int64_t filters : {1, 8, 19, 100}) {
    constexpr int64_t kKernel = 3;
    for (const TestProduct& product : products(16, 5 + kKernel * filters)) {
      SCOPED_TRACE(product.form + ", " + std::to_string(filters) + " filters");
      const at::Tensor bias = at::randn({filters});
      at::Tensor output = at::full({4, filters + 2}, 7.0F);
      TestProduct shifted = product;
      if (shifted.form == "integer") shifted.bias.zero_();
      const at::Tensor meaning =
          shifted.form == "integer"
              ? product.meaning * 0 +
                    product.scales.to(at::kDouble).unsqueeze(1) *
                        (product.values.to(at::kDouble) -
                         at::outer(product.zeros.to(at::kDouble), product.sums.to(at::kDouble)))
              : product.meaning;
      WindowTask task;
      task.first_column = 5;
      task.kernel_size = kKernel;
      task.filters = filters;
      task.bias = bias.const_data_ptr<float>();
      task.output = output.mutable_data_ptr<float>() + 1;
      task.output_stride = filters + 2;
      kernels_.window_max(shifted.rows(), offsets.data(), task, 0, 4);
      for (int64_t b = 0; b < 4; ++b) {
        const int64_t length = offsets[b + 1] - offsets[b];
        at::Tensor padded = at::zeros({std::max(length, kKernel), kKernel, filters}, at::kDouble);
        padded.narrow(0, 0, length)
            .copy_(meaning.narrow(0, offsets[b], length)
                       .narrow(1, 5, kKernel * filters)
                       .view({length, kKernel, filters}));
        at::Tensor windows;
        for (int64_t j = 0; j < kKernel; ++j) {
          const at::Tensor part = padded.narrow(0, j, padded.size(0) - kKernel + 1).select(1, j);
          windows = windows.defined() ? windows + part : part;
        }
        const at::Tensor expected = at::relu(windows.amax({0}) + bias);
        const double scale = std::max(1.0, meaning.abs().max().item<double>());
        EXPECT_LT(largest_difference(output[b].narrow(0, 1, filters), expected), 2e-6 * scale);
        EXPECT_EQ(output[b][0].item<float>(), 7);
        EXPECT_EQ(output[b][filters + 1].item<float>(), 7);
      }
    }
  }
}

}  // namespace
}  // namespace bertcnn::kernels::cpu
