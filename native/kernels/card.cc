#include "kernels/card.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <atomic>
#include <numeric>

#include "cuda/kernels/windows.h"
#include "error.h"
#include "kernels/cpu/rows.h"

namespace bertcnn::kernels {
namespace {

std::atomic<const cuda::Operations*> operations_of_card = nullptr;

cuda::Norm norm_of(const LayerNormWeights& norm) {
  return {norm.weight, norm.bias, norm.epsilon};
}

cuda::Sequences sequences_of(const PackedBatch& batch, at::Device device) {
  return {batch.offsets_on(device), batch.longest()};
}

}  // namespace

void use_card(const cuda::Operations* operations) {
  operations_of_card = operations;
}

const cuda::Operations& card() {
  const cuda::Operations* operations = operations_of_card;
  if (operations == nullptr) fail("ERR_INTERNAL", "libbertcnn_cuda was not loaded.");
  return *operations;
}

bool on_card(const at::Tensor& x) {
  const cuda::Operations* operations = operations_of_card;
  return operations != nullptr && operations->takes(x);
}

at::ScalarType card_type(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::bfloat16:
      return at::kBFloat16;
    case Arithmetic::float16:
      return at::kHalf;
    case Arithmetic::float32:
      return at::kFloat;
    case Arithmetic::autograd:
    case Arithmetic::int8:
      break;
  }
  fail("ERR_INTERNAL", "No card predicts in arithmetic ", static_cast<int>(arithmetic), ".");
}

HiddenStates embed_on_card(const EmbeddingTables& tables, const PackedBatch& batch,
                           const LayerNormWeights& norm, Arithmetic arithmetic) {
  const at::Tensor hidden =
      card().embed({tables.words, tables.positions, tables.types, batch.input_ids,
                    batch.position_ids, batch.token_type_ids},
                   norm_of(norm), card_type(arithmetic));
  return {hidden, {hidden}};
}

HiddenStates layer_norm_on_card(const Product& product, const at::Tensor& residual,
                                const LayerNormWeights& norm) {
  const at::Tensor hidden = card().add_and_normalize(product.values, residual, norm_of(norm));
  return {hidden, {hidden}};
}

Operand attend_on_card(const Product& qkv, const PackedBatch& batch, int64_t heads) {
  return {card().attend(qkv.values, sequences_of(batch, qkv.values.device()), heads)};
}

at::Tensor window_max_on_card(const Product& product, const PackedBatch& batch,
                              const std::vector<int64_t>& kernel_sizes, const at::Tensor& biases) {
  const cuda::Sequences sequences = sequences_of(batch, product.values.device());
  const auto sizes = static_cast<int64_t>(kernel_sizes.size());
  const int64_t filters = biases.numel() / sizes;
  std::vector<at::Tensor> parts;
  int64_t column = 0;
  for (int64_t first = 0; first < sizes; first += cuda::kMostKernelSizes) {
    const int64_t end = std::min<int64_t>(first + cuda::kMostKernelSizes, sizes);
    const std::vector<int64_t> some(kernel_sizes.begin() + first, kernel_sizes.begin() + end);
    const int64_t columns = std::accumulate(some.begin(), some.end(), int64_t{0}) * filters;
    parts.push_back(
        card().largest_windows(product.values.narrow(1, column, columns), sequences,
                               {some, biases.narrow(0, first * filters, (end - first) * filters)}));
    column += columns;
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

Operand multiply_on_card(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                         Activation activation) {
  const at::Tensor product = at::linear(x, weight);
  card().activate(product, bias, activation);
  return {product};
}

}  // namespace bertcnn::kernels
