// Encodings as 32-bit integers in a row: how they get to JavaScript, in few objects.
#pragma once

#include <cstddef>
#include <cstdint>

#include "text/tokenizer.h"

namespace bertcnn::text {

/// An encoding, filled up with pad tokens to a width, laid out as
///
///     tokens, type ids, integers of offsets (how many of each), 1 where truncated,
///     ids, attention mask (0 for pad tokens), type ids, offsets, special tokens mask in bytes
///
/// where the bytes are filled up to a whole integer.
class Packed {
 public:
  static constexpr size_t kHeader = 4;

  /// An encoding of more than `width` tokens stays as it is. `encoding` outlives this.
  Packed(const Encoding& encoding, size_t width, const EncodeOptions& options);

  /// In integers.
  size_t size() const { return kHeader + 2 * tokens_ + type_ids_ + offsets_ + (tokens_ + 3) / 4; }

  /// Writes `size()` integers.
  void write(int32_t* out, int32_t pad_id) const;

 private:
  const Encoding& encoding_;
  size_t tokens_, type_ids_, offsets_;
};

}  // namespace bertcnn::text
