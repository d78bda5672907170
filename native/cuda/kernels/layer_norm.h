// Layer norm (Ba et al., 2016) behind sums that are made while it reads: of embeddings, or of a
// product and the residual.
#pragma once

#include <cmath>

#include "cuda/kernels/both.h"

namespace bertcnn::cuda {

/// What follows the sum. All sums and moments are float32, in two passes over a row that stays on
/// the chip.
struct NormTask {
  const float* weight;  // [size]
  const float* bias;    // [size]
  float epsilon;
  int64_t size;
  void* output;  // [rows, size]
};

/// Tables of float32 rows, and a row's place in each.
struct EmbeddingTask {
  const float* words;
  const float* positions;
  const float* types;
  const int64_t* word_ids;  // [rows]
  const int64_t* position_ids;
  const int64_t* type_ids;
};

/// `product` and `residual` are `[rows, size]` of the output's type.
struct ResidualTask {
  const void* product;
  const void* residual;
};

/// Normalizes `room`, `[size]`, of which each member has written its own packs.
template <int kWidth, typename T, typename Team>
BERTCNN_BOTH void normalize_row(const Team& team, const float* room, const NormTask& task,
                                int64_t row) {
  const int64_t stride = int64_t{kWidth} * team.size();
  const int64_t first = int64_t{kWidth} * team.rank();
  const float scale = 1.0F / static_cast<float>(task.size);
  float total = 0;
  for (int64_t i = first; i < task.size; i += stride) {
    for (int j = 0; j < kWidth; ++j) total += room[i + j];
  }
  const float mean = team.sum(total) * scale;
  float squares = 0;
  for (int64_t i = first; i < task.size; i += stride) {
    for (int j = 0; j < kWidth; ++j) squares += (room[i + j] - mean) * (room[i + j] - mean);
  }
  const float inverse = 1.0F / sqrtf(team.sum(squares) * scale + task.epsilon);
  T* output = static_cast<T*>(task.output) + row * task.size;
  for (int64_t i = first; i < task.size; i += stride) {
    const auto weight = load_pack<kWidth>(task.weight + i);
    const auto bias = load_pack<kWidth>(task.bias + i);
    Pack<T, kWidth> normalized;
    for (int j = 0; j < kWidth; ++j) {
      const float value = (room[i + j] - mean) * inverse;
      normalized.values[j] = static_cast<T>(value * weight.values[j] + bias.values[j]);
    }
    store_pack<kWidth>(output + i, normalized);
  }
}

/// LayerNorm(word + position + type) of one token. `room`: `[size]` floats of the team's.
template <int kWidth, typename T, typename Team>
BERTCNN_BOTH void embed_row(const Team& team, float* room, const EmbeddingTask& task,
                            const NormTask& norm, int64_t row) {
  const float* word = task.words + task.word_ids[row] * norm.size;
  const float* position = task.positions + task.position_ids[row] * norm.size;
  const float* type = task.types + task.type_ids[row] * norm.size;
  const int64_t stride = int64_t{kWidth} * team.size();
  for (int64_t i = int64_t{kWidth} * team.rank(); i < norm.size; i += stride) {
    const auto a = load_pack<kWidth>(word + i);
    const auto b = load_pack<kWidth>(position + i);
    const auto c = load_pack<kWidth>(type + i);
    for (int j = 0; j < kWidth; ++j) room[i + j] = a.values[j] + b.values[j] + c.values[j];
  }
  normalize_row<kWidth, T>(team, room, norm, row);
}

/// LayerNorm(product + residual) of one row. `room` as above.
template <int kWidth, typename T, typename Team>
BERTCNN_BOTH void residual_row(const Team& team, float* room, const ResidualTask& task,
                               const NormTask& norm, int64_t row) {
  const T* product = static_cast<const T*>(task.product) + row * norm.size;
  const T* residual = static_cast<const T*>(task.residual) + row * norm.size;
  const int64_t stride = int64_t{kWidth} * team.size();
  for (int64_t i = int64_t{kWidth} * team.rank(); i < norm.size; i += stride) {
    const auto a = load_pack<kWidth>(product + i);
    const auto b = load_pack<kWidth>(residual + i);
    for (int j = 0; j < kWidth; ++j) {
      room[i + j] = static_cast<float>(a.values[j]) + static_cast<float>(b.values[j]);
    }
  }
  normalize_row<kWidth, T>(team, room, norm, row);
}

}  // namespace bertcnn::cuda
