#include "training/masking.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "model/device.h"

namespace bertcnn::training {
namespace {

constexpr int64_t kMask = 4;

MaskingOptions options(double probability) {
  MaskingOptions result;
  result.probability = probability;
  result.mask_token_id = kMask;
  result.special_token_ids = {0, 2, 3, kMask};
  result.vocab_size = 1000;
  return result;
}

at::Tensor ids(int64_t count) {
  at::Generator generator = model::make_generator(at::kCPU, 9);
  at::Tensor tokens = at::full({count}, 0, at::kLong);
  tokens.random_(5, 1000, generator);
  tokens[0] = 2;
  tokens[count - 1] = 3;
  return tokens;
}

int64_t count(const at::Tensor& flags) {
  return flags.sum().item<int64_t>();
}

TEST(Masking, ChoosesItsShareAndMasksEightTenthsOfIt) {
  const int64_t tokens = 200'000;
  const at::Tensor input = ids(tokens);
  const MaskedTokens masked = mask_tokens(input, options(0.15), 1);
  const auto chosen = static_cast<double>(masked.places.numel());
  EXPECT_NEAR(chosen / tokens, 0.15, 0.004);  // five standard deviations
  const at::Tensor now = masked.input_ids.index_select(0, masked.places);
  EXPECT_NEAR(static_cast<double>(count(now.eq(kMask))) / chosen, 0.8, 0.012);
  // One in a thousand of those that become any token becomes what it was.
  EXPECT_NEAR(static_cast<double>(count(now.eq(masked.targets))) / chosen, 0.1001, 0.009);
  EXPECT_TRUE(masked.targets.equal(input.index_select(0, masked.places)));
  // Nothing else has changed.
  at::Tensor rest = masked.input_ids.clone();
  rest.index_put_({masked.places}, masked.targets);
  EXPECT_TRUE(rest.equal(input));
}

TEST(Masking, LeavesSpecialTokensAlone) {
  const MaskedTokens masked = mask_tokens(ids(50), options(1), 1);
  EXPECT_EQ(masked.places.numel(), 48);
  EXPECT_EQ(masked.places[0].item<int64_t>(), 1);
  EXPECT_EQ(masked.input_ids[0].item<int64_t>(), 2);
  EXPECT_EQ(masked.input_ids[49].item<int64_t>(), 3);
}

TEST(Masking, ChoosesAtLeastOneToken) {
  for (uint64_t batch = 0; batch < 20; ++batch) {
    EXPECT_EQ(mask_tokens(ids(6), options(1e-6), batch).places.numel(), 1);
  }
}

TEST(Masking, RepeatsWithTheSameSeedAndBatch) {
  const auto run = [](uint64_t seed, uint64_t batch) {
    MaskingOptions masking = options(0.15);
    masking.seed = seed;
    return mask_tokens(ids(100), masking, batch).input_ids;
  };
  EXPECT_TRUE(run(1, 5).equal(run(1, 5)));
  EXPECT_FALSE(run(1, 5).equal(run(2, 5)));
  EXPECT_FALSE(run(1, 5).equal(run(1, 6)));
}

TEST(Masking, FindsNothingInSpecialTokens) {
  const at::Tensor special = at::full({3}, 2, at::kLong);
  const MaskedTokens masked = mask_tokens(special, options(0.15), 1);
  EXPECT_EQ(masked.places.numel(), 0);
  EXPECT_TRUE(masked.input_ids.equal(special));
}

}  // namespace
}  // namespace bertcnn::training
