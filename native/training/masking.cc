#include "training/masking.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include "model/device.h"

namespace bertcnn::training {
namespace {

constexpr double kMasked = 0.8;  // of the tokens that are chosen
constexpr double kAny = 0.1;

at::Tensor draw(int64_t count, at::Generator& generator) {
  return at::empty({count}, at::TensorOptions().dtype(at::kFloat)).uniform_(0, 1, generator);
}

/// Of one batch; far from those of others.
at::Generator generator_of(uint64_t seed, uint64_t batch) {
  constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;
  return model::make_generator(at::kCPU, seed + kGoldenRatio * (batch + 1));
}

}  // namespace

MaskedTokens mask_tokens(const at::Tensor& input_ids, const MaskingOptions& options,
                         uint64_t batch) {
  at::Generator generator = generator_of(options.seed, batch);
  const at::Tensor ids = input_ids.to(at::kCPU);
  at::Tensor ordinary = at::ones_like(ids, at::kBool);
  for (const int64_t special : options.special_token_ids) ordinary.logical_and_(ids.ne(special));
  // All are drawn in any case, so that what follows does not depend on which are special.
  const at::Tensor chance = at::where(ordinary, draw(ids.numel(), generator), 1.0);
  const at::Tensor fate = draw(ids.numel(), generator);
  const at::Tensor any = at::empty(ids.sizes(), ids.options());
  any.random_(0, options.vocab_size, generator);

  // Where chance chooses none, the one that came nearest.
  at::Tensor chosen = chance.lt(options.probability).logical_or_(chance.eq(chance.min()));
  chosen.logical_and_(ordinary);
  const at::Tensor replaced = at::where(fate.lt(kMasked), options.mask_token_id,
                                        at::where(fate.lt(kMasked + kAny), any, ids));
  const at::Tensor places = chosen.nonzero().squeeze(1);
  return {at::where(chosen, replaced, ids).to(input_ids.device()), places.to(input_ids.device()),
          ids.index_select(0, places).to(input_ids.device())};
}

}  // namespace bertcnn::training
