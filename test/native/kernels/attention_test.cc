#include "kernels/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "random_model.h"

namespace bertcnn::kernels {
namespace {

using bertcnn::testing::evaluation;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::Rows;
using bertcnn::testing::training;

constexpr int64_t kHeads = 3;
constexpr int64_t kHidden = 12;

at::Tensor draw(int64_t tokens, uint64_t seed) {
  return at::randn({tokens, kHidden}, model::make_generator(at::kCPU, seed), at::kFloat);
}

/// The formula, one sequence and one head at a time.
at::Tensor by_the_formula(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const PackedBatch& batch) {
  const int64_t width = kHidden / kHeads;
  const at::Tensor out = at::zeros_like(q);
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    for (int64_t h = 0; h < kHeads; ++h) {
      const auto part = [&](const at::Tensor& x) {
        return x.narrow(0, batch.offsets[b], batch.length(b)).narrow(1, h * width, width);
      };
      const at::Tensor scores = at::matmul(part(q), part(k).t()) / std::sqrt(double(width));
      part(out).copy_(at::matmul(at::softmax(scores, -1), part(v)));
    }
  }
  return out;
}

TEST(Attention, StaysWithinEachSequence) {
  // lengths 3, 3, 1, 5: neighbours of one length and others
  const PackedBatch batch = packed(Rows{{1, 2, 3}, {4, 5, 6}, {7}, {1, 2, 3, 4, 5}});
  const at::Tensor q = draw(12, 1), k = draw(12, 2), v = draw(12, 3);
  const at::Tensor out = attention(q, k, v, batch, kHeads, 0.1, evaluation());
  EXPECT_LT(max_difference(out, by_the_formula(q, k, v, batch)), 1e-6);
}

TEST(Attention, WrittenOutForDropoutComputesTheSame) {
  const PackedBatch batch = packed(Rows{{1, 2, 3}, {4, 5}});
  const at::Tensor q = draw(5, 1), k = draw(5, 2), v = draw(5, 3);
  // A probability this small drops nothing and scales by 1, but takes the other path.
  const at::Tensor out = attention(q, k, v, batch, kHeads, 1e-12, training(1));
  EXPECT_LT(max_difference(out, by_the_formula(q, k, v, batch)), 1e-6);
}

TEST(Attention, NeverLooksAtMaskedKeys) {
  const std::vector<int32_t> ids = {1, 2, 3, 4}, zeros = {0, 0, 0, 0}, positions = {0, 1, 2, 3};
  PackedBatchBuilder builder;
  builder.add(ids, zeros, positions, std::vector<int32_t>{1, 1, 0, 0});
  builder.add(ids, zeros, positions, std::vector<int32_t>{1, 1, 1, 1});
  const PackedBatch batch = builder.build(at::kCPU);
  at::Tensor q = draw(8, 1), k = draw(8, 2), v = draw(8, 3);
  for (const auto& context : {evaluation(), training(1)}) {
    const at::Tensor before = attention(q, k, v, batch, kHeads, 1e-12, context).clone();
    at::Tensor k2 = k.clone(), v2 = v.clone();
    k2.narrow(0, 2, 2).fill_(5);
    v2.narrow(0, 2, 2).fill_(5);
    EXPECT_EQ(max_difference(attention(q, k2, v2, batch, kHeads, 1e-12, context), before), 0);
  }
}

TEST(Attention, DropsAttentionWeightsWhileTraining) {
  const PackedBatch batch = packed(Rows{{1, 2, 3, 4, 5, 6}});
  const at::Tensor q = draw(6, 1), k = draw(6, 2), v = draw(6, 3);
  const at::Tensor first = attention(q, k, v, batch, kHeads, 0.5, training(1));
  EXPECT_GT(max_difference(first, attention(q, k, v, batch, kHeads, 0.5, training(2))), 0.01);
  EXPECT_EQ(max_difference(first, attention(q, k, v, batch, kHeads, 0.5, training(1))), 0);
}

}  // namespace
}  // namespace bertcnn::kernels
