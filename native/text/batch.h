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

/// The encodings of some texts, in their order, each as `Packed` lays it out.
using PackedEncodings = std::vector<int32_t>;

/// Encodes `texts`, with `pairs` (as many, or null for none): some texts, the next ones, and so on.
/// A result does not depend on the number of threads. Nothing where `stopping` became true
/// meanwhile. Errors: `ERR_INVALID_ARGUMENT` where padding gives more than 2^31 - 1 tokens.
std::optional<std::vector<PackedEncodings>> encode_batch(const Tokenizer& tokenizer,
                                                         const std::vector<std::string>& texts,
                                                         const std::vector<std::string>* pairs,
                                                         const BatchOptions& options,
                                                         const std::atomic<bool>& stopping);

}  // namespace bertcnn::text
