// Many texts at once, on several threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace bertcnn::text {

struct BatchOptions {
  EncodeOptions encode;
  /// Shorter encodings are filled up with pad tokens to so many; longer ones stay as they are.
  size_t pad_length = 0;
  /// Whether all are filled up to the longest.
  bool pad_to_longest = false;
  /// The most threads that work, the calling one included. Few texts get fewer.
  unsigned threads = 1;
};

/// Encodings one after another in a few long arrays.
struct BatchEncoding {
  std::vector<int32_t> lengths;              ///< [texts], tokens of each, pad tokens included
  std::vector<int32_t> unpadded_lengths;     ///< [texts]
  std::vector<int32_t> ids;                  ///< [tokens] of all texts
  std::vector<int32_t> type_ids;             ///< [tokens], or empty when not asked for
  std::vector<uint8_t> special_tokens_mask;  ///< [tokens], 1 for pad tokens too
  std::vector<int32_t> offsets;              ///< [tokens, 2], or empty when not asked for
  std::vector<uint8_t> truncated;            ///< [texts]

  void append(const Encoding& encoding);
};

/// Encodes `texts`, with `pairs` (as many, or null for none). A result does not depend on the
/// number of threads. Nothing where `stopping` became true meanwhile. Errors:
/// `ERR_INVALID_ARGUMENT` where padding gives more than 2^31 - 1 tokens.
std::optional<BatchEncoding> encode_batch(const Tokenizer& tokenizer,
                                          const std::vector<std::string>& texts,
                                          const std::vector<std::string>* pairs,
                                          const BatchOptions& options,
                                          const std::atomic<bool>& stopping);

}  // namespace bertcnn::text
