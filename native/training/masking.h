// Which tokens are masked, and what stands in their place.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace bertcnn::training {

struct MaskingOptions {
  double probability = 0.15;
  int64_t mask_token_id = 0;
  std::vector<int64_t> special_token_ids;  // never masked
  int64_t vocab_size = 0;
  uint64_t seed = 0;
};

struct MaskedTokens {
  at::Tensor input_ids;  // [T], with masks
  at::Tensor places;     // [M] int64, of the tokens that are to be guessed, ascending
  at::Tensor targets;    // [M] int64, what these were
};

/// Chooses each token with the given probability, by itself, and at least one. Of those 80 % become
/// the mask, 10 % any token of the vocabulary and 10 % stay (Devlin et al., 2019), as in
/// transformers' DataCollatorForLanguageModeling. What is drawn depends on `options.seed` and
/// `batch` alone, and is the same on every device. input_ids: `[T]` int64, anywhere. Without a
/// place where all tokens are special.
MaskedTokens mask_tokens(const at::Tensor& input_ids, const MaskingOptions& options,
                         uint64_t batch);

}  // namespace bertcnn::training
