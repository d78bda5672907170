// What the CPU computes beside matrix products while predicting: one table of functions for each
// instruction set, chosen at run time. No ATen, so that nothing but these kernels is compiled for a
// processor that may not be there.
#pragma once

#include <cstdint>

namespace bertcnn::kernels::cpu {

/// The element types of what products take and give.
enum class Element { float32, bfloat16, uint8 };

/// The result of a product with weights, `[rows, columns]`, read row by row. Where `row_scales` is
/// set the product was one of integers, and element (t, n) stands for
///   row_scales[t] * (values[t, n] - row_zeros[t] * column_sums[n]) + bias[n]
/// with the weights' scales already in `values` and `column_sums`.
struct ProductRows {
  const void* values = nullptr;  // float32 or bfloat16
  Element element = Element::float32;
  int64_t stride = 0;  // elements from row to row
  const float* row_scales = nullptr;
  const float* row_zeros = nullptr;
  const float* column_sums = nullptr;
  const float* bias = nullptr;
};

/// Where the operand of the next product goes: rows of `element`, `size` apart. uint8 stands for
/// scales[t] * (value - zeros[t]), each row with a scale of its own (values from 0 to `levels`).
struct OperandRows {
  void* values = nullptr;  // null: nobody wants it
  Element element = Element::float32;
  float* scales = nullptr;
  float* zeros = nullptr;
  int levels = 255;
  const float* centre = nullptr;  // [size], what is taken off the columns of uint8; null: nothing
};

struct EmbeddingRows {
  const float* words = nullptr;  // [vocabulary, size]
  const float* positions = nullptr;
  const float* types = nullptr;
  const int64_t* word_ids = nullptr;
  const int64_t* position_ids = nullptr;
  const int64_t* type_ids = nullptr;
};

/// Dropout of a matrix's elements. Which ones stay follows from the key and an element's place
/// alone, so that a backward pass draws again what the forward pass drew, on any number of threads.
struct Dropout {
  uint64_t key = 0;
  double keep = 1;  // the probability; what stays is divided by it
};

struct LayerNormRows {
  const float* weight = nullptr;  // [size]
  const float* bias = nullptr;    // [size]
  float epsilon = 0;
  int64_t size = 0;
  float* output = nullptr;  // [rows, size], the residual stream
  OperandRows operand;
};

/// The activations that the table knows; those of kernels::Activation in the same order.
enum class RowActivation { gelu, gelu_tanh, gelu_clipped, quick_gelu, relu, silu, tanh };

/// One head of one sequence. q, k and v start at columns of `qkv`.
struct AttentionTask {
  int64_t first_row = 0;
  int64_t length = 0;
  int64_t query_column = 0;
  int64_t key_column = 0;
  int64_t value_column = 0;
  int64_t head_size = 0;               // one that `attention_supports`
  float scale = 1;                     // of the scores
  const float* key_bias = nullptr;     // [length], 0 or -infinity; null: every token is a key
  void* output = nullptr;              // the head's first element of the sequence's first row
  Element element = Element::float32;  // float32 or bfloat16
  int64_t output_stride = 0;
  // While training:
  int64_t head = 0;
  Dropout dropout;            // of the weights that the softmax gives
  float* log_sums = nullptr;  // [length], the logarithm of the softmax's sum; null: not wanted
};

/// The backward pass of an AttentionTask.
struct AttentionGradientTask {
  AttentionTask forward;        // without its output, with the sums that it gave
  ProductRows output;           // [rows, heads * head_size], and the head's column
  ProductRows output_gradient;  // as `output`
  int64_t output_column = 0;
  void* qkv_gradient = nullptr;        // like qkv, from its first row on
  Element element = Element::float32;  // float32 or bfloat16
  int64_t gradient_stride = 0;
};

/// LayerNorm(residual + dropout(x)), and what its backward pass wants to know.
struct DropoutLayerNormRows {
  ProductRows x;
  const float* residual = nullptr;  // [rows, size]
  Dropout dropout;
  const float* weight = nullptr;  // [size]
  const float* bias = nullptr;    // [size]
  float epsilon = 0;
  int64_t size = 0;
  float* sum = nullptr;      // [rows, size]
  float* mean = nullptr;     // [rows]
  float* inverse = nullptr;  // [rows], of the standard deviation
  float* output = nullptr;   // [rows, size]
};

/// The backward pass of it.
struct DropoutLayerNormGradient {
  const float* output_gradient = nullptr;  // [rows, size]
  const float* sum = nullptr;
  const float* mean = nullptr;
  const float* inverse = nullptr;
  Dropout dropout;
  const float* weight = nullptr;
  int64_t size = 0;
  float* residual_gradient = nullptr;  // [rows, size]
  void* x_gradient = nullptr;          // [rows, size]
  Element element = Element::float32;  // of x_gradient
  float* weight_gradient = nullptr;    // [size], added to
  float* bias_gradient = nullptr;      // [size], added to
};

/// One kernel size of a convolution bank over sequences that lie one after another. Column
/// `first_column + j * filters + f` of the product is token t's part in filter f at place j.
struct WindowTask {
  int64_t first_column = 0;
  int64_t kernel_size = 0;
  int64_t filters = 0;
  const float* bias = nullptr;  // [filters], added behind the maximum
  float* output = nullptr;      // [sequences, output_stride], this kernel size's first column
  int64_t output_stride = 0;
};

/// The same while training, which wants to know where the maxima came from. Without the bias.
struct WindowWinnersTask {
  int64_t first_column = 0;
  int64_t kernel_size = 0;
  int64_t filters = 0;
  float* highest = nullptr;  // [sequences, stride], this kernel size's first column, as the others
  int32_t* winners = nullptr;  // the row where the first window of that sum starts
  int32_t* counts = nullptr;   // of the windows with that sum
  int64_t stride = 0;
};

/// A product of few rows with a weight `[out, in]` that lies in panels of 64 outputs:
/// `[out / 64, in, 64]`. output = activation(x W^T + bias).
struct FewRowsTask {
  static constexpr int64_t kPanel = 64;
  static constexpr int64_t kMostRows = 24;

  const float* x = nullptr;  // [rows, in], `x_stride` apart
  int64_t x_stride = 0;
  int64_t rows = 0;  // from 1 to kMostRows
  int64_t in = 0;
  int64_t out = 0;  // a multiple of kPanel
  const float* weight = nullptr;
  const float* bias = nullptr;                // [out]
  const RowActivation* activation = nullptr;  // null: none
  float* output = nullptr;                    // [rows, out]
};

struct RowKernels {
  const char* name;

  /// LayerNorm(product + residual) for the rows from `begin` to before `end`. `residual` is
  /// `[rows, size]` and may be the output itself.
  void (*residual_layer_norm)(const ProductRows& product, const float* residual,
                              const LayerNormRows& norm, int64_t begin, int64_t end);
  /// LayerNorm(words + positions + types).
  void (*embedding_layer_norm)(const EmbeddingRows& embeddings, const LayerNormRows& norm,
                               int64_t begin, int64_t end);
  /// activation(product) as the operand of the next product. `row` is room for `columns` floats.
  void (*activate)(const ProductRows& product, int64_t columns, RowActivation activation,
                   const OperandRows& operand, float* row, int64_t begin, int64_t end);
  /// Rows of float32, `size` long, as an operand.
  void (*quantize)(const float* rows, int64_t size, const OperandRows& operand, int64_t begin,
                   int64_t end);
  /// softmax(scale * Q K^T + key_bias) V. `scratch` is room for `attention_scratch` floats.
  void (*attend)(const ProductRows& qkv, const AttentionTask& task, float* scratch);
  /// max(0, bias + the largest sum over a window) for sequences `begin` to before `end`, whose rows
  /// start at `offsets`. A sequence shorter than the kernel has one window, cut at its end.
  void (*window_max)(const ProductRows& product, const int64_t* offsets, const WindowTask& task,
                     int64_t begin, int64_t end);
  /// The outputs of panels `begin` to before `end`.
  void (*multiply_few_rows)(const FewRowsTask& task, int64_t begin, int64_t end);

  // While training:

  /// factors[column] of a row: 0 or 1 / keep.
  void (*dropout_factors)(const Dropout& dropout, int64_t row, int64_t size, float* factors);
  void (*dropout_layer_norm)(const DropoutLayerNormRows& rows, int64_t begin, int64_t end);
  void (*dropout_layer_norm_gradient)(const DropoutLayerNormGradient& rows, int64_t begin,
                                      int64_t end);
  /// gradient * GELU'(x), `columns` long rows of `to`.
  void (*gelu_gradient)(const ProductRows& x, const ProductRows& gradient, int64_t columns,
                        const OperandRows& to, int64_t begin, int64_t end);
  void (*attend_gradient)(const ProductRows& qkv, const AttentionGradientTask& task,
                          float* scratch);
  /// The largest sum over a window and where it is, for sequences `begin` to before `end`. NaN
  /// wins.
  void (*window_winners)(const ProductRows& product, const int64_t* offsets,
                         const WindowWinnersTask& task, int64_t begin, int64_t end);
  /// to[column] += factor * from[column].
  void (*add_scaled)(const float* from, float factor, int64_t size, float* to);
};

/// Whether `attend` has heads of this size.
constexpr bool attention_supports(int64_t head_size) {
  return head_size == 32 || head_size == 64;
}

/// Floats of room that `attend` needs for a sequence of `length` tokens.
int64_t attention_scratch(int64_t length, int64_t head_size);
/// The same for `attend_gradient`.
int64_t attention_gradient_scratch(int64_t length, int64_t head_size);

/// The table for this processor, no better than libtorch itself uses (ATEN_CPU_CAPABILITY).
const RowKernels& row_kernels();
/// Every table that this processor can run, the simplest first.
const RowKernels* const* runnable_row_kernels(int& count);

}  // namespace bertcnn::kernels::cpu
