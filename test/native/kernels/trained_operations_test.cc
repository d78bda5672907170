// Operations with backward passes of their own against libtorch's autograd.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "kernels/attention.h"
#include "kernels/checkpointed.h"
#include "kernels/convolution_bank.h"
#include "kernels/dropout.h"
#include "kernels/trained_activation.h"
#include "kernels/trained_attention.h"
#include "kernels/trained_layer_norm.h"
#include "random_model.h"

namespace bertcnn::kernels {
namespace {

using bertcnn::testing::packed;
using bertcnn::testing::training;

using Operation = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// The output, and the gradients of its product with a fixed direction.
std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, const Operation& operation) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& input : inputs) {
    leaves.push_back(input.detach().clone().requires_grad_(true));
  }
  const at::Tensor output = operation(leaves);
  at::manual_seed(9);
  (output * at::randn(output.sizes())).sum().backward();
  std::vector<at::Tensor> results = {output.detach()};
  for (const at::Tensor& leaf : leaves) results.push_back(leaf.grad());
  return results;
}

void expect_close(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& expected,
                  double bound) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_LT((got[i] - expected[i]).norm().item<double>(),
              bound * expected[i].norm().item<double>() + 1e-6)
        << i;
  }
}

class TrainedOperations : public ::testing::TestWithParam<int> {
 protected:
  TrainedOperations() {
    at::manual_seed(8);
    at::set_num_threads(GetParam());
  }
  ~TrainedOperations() override { at::set_num_threads(1); }
};

INSTANTIATE_TEST_SUITE_P(Threads, TrainedOperations, ::testing::Values(1, 3));

PackedBatch batch_of(const std::vector<int64_t>& lengths, bool masked) {
  PackedBatchBuilder builder;
  for (const int64_t length : lengths) {
    const std::vector<int32_t> ids(length, 5);
    const std::vector<int32_t> zeros(length, 0);
    std::vector<int32_t> mask(length, 1);
    if (length > 2) mask[length - 1] = 0;
    if (masked) {
      builder.add(ids, zeros, zeros, mask);
    } else {
      builder.add(ids, zeros, zeros);
    }
  }
  return builder.build(at::kCPU);
}

TEST_P(TrainedOperations, AttentionOfManySequences) {
  constexpr int64_t kHeads = 2;
  const ForwardContext context = training(1);
  for (const bool masked : {false, true}) {
    const PackedBatch batch = batch_of({3, 1, 20, 20, 7}, masked);
    const at::Tensor qkv = at::randn({batch.tokens(), 3 * 64});
    const auto got = run({qkv}, [&](const auto& leaves) {
      return trained_attention(leaves[0], batch, kHeads, 0, context);
    });
    const auto expected = run({qkv}, [&](const auto& leaves) {
      const std::vector<at::Tensor> parts = leaves[0].split(64, 1);
      return attention(parts[0], parts[1], parts[2], batch, kHeads, 0, context);
    });
    expect_close(got, expected, 2e-6);
  }
}

/// By central differences, which see the dropout only if both passes draw the same.
TEST_P(TrainedOperations, DropoutIsTheSameForwardAndBackward) {
  const PackedBatch batch = batch_of({9, 4}, false);
  const at::Tensor qkv = at::randn({13, 3 * 32});
  const at::Tensor residual = at::randn({13, 32});
  const LayerNormWeights norm = {at::randn({32}), at::randn({32}), 1e-5};
  const Operation operation = [&](const auto& leaves) {
    const ForwardContext context = training(3);
    const at::Tensor attended = trained_attention(leaves[0], batch, 1, 0.4, context);
    return trained_layer_norm(attended, residual, norm, draw_dropout(0.4, context));
  };
  const auto results = run({qkv}, operation);
  at::manual_seed(9);
  const at::Tensor direction = at::randn(results[0].sizes());
  const auto value = [&](const at::Tensor& x) {
    return (operation({x}).to(at::kDouble) * direction).sum().item<double>();
  };
  for (int i = 0; i < 5; ++i) {
    const at::Tensor step = at::randn(qkv.sizes());
    constexpr double kStep = 1e-3;
    const double slope = (value(qkv + kStep * step) - value(qkv - kStep * step)) / (2 * kStep);
    EXPECT_NEAR((results[1] * step).sum().item<double>(), slope, 0.02 * std::abs(slope) + 0.02);
  }
}

TEST_P(TrainedOperations, LayerNormAndGelu) {
  const std::vector<at::Tensor> inputs = {at::randn({21, 50}), at::randn({21, 50}), at::randn({50}),
                                          at::randn({50})};
  expect_close(run(inputs,
                   [](const auto& leaves) {
                     const at::Tensor x = trained_activation(leaves[0], Activation::gelu);
                     return trained_layer_norm(x, leaves[1], {leaves[2], leaves[3], 1e-12}, {});
                   }),
               run(inputs,
                   [](const auto& leaves) {
                     const at::Tensor x = at::gelu(leaves[0]);
                     return at::layer_norm(x + leaves[1], {50}, leaves[2], leaves[3], 1e-12);
                   }),
               3e-6);
}

TEST_P(TrainedOperations, CheckpointingChangesNothing) {
  const std::vector<at::Tensor> inputs = {at::randn({6, 40}), at::randn({40, 40})};
  const auto layer = [](const at::Tensor& x, const at::Tensor& weight,
                        const at::Generator& generator) {
    ForwardContext context = training(1);
    context.generator = generator;
    return dropout(at::gelu(at::matmul(x, weight)), 0.5, context);
  };
  const auto two_layers = [&](bool keeping) {
    return run(inputs, [&](const auto& leaves) {
      const at::Generator generator = training(7).generator;
      at::Tensor x = leaves[0];
      for (int i = 0; i < 2; ++i) {
        const auto compute = [&layer, weight = leaves[1]](const at::Tensor& y,
                                                          const at::Generator& own) {
          return layer(y, weight, own);
        };
        x = keeping ? compute(x, generator) : checkpointed(x, generator, compute);
      }
      return x;
    });
  };
  const auto got = two_layers(false);
  const auto expected = two_layers(true);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i].equal(expected[i])) << i;
}

}  // namespace
}  // namespace bertcnn::kernels
