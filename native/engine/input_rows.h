// From what a caller gives to rows of tokens, checked against the model's limits. No ATen.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/requests.h"

namespace bertcnn::engine {

/// What the model can take.
struct InputLimits {
  int64_t vocab_size = 0;
  int64_t type_vocab_size = 0;
  int64_t max_positions = 0;
  int64_t largest_filter = 0;
  std::optional<int64_t> window;  // tokens beyond which a row is cut into windows, if it is
};

/// Row `row` of `batch` without its pad positions; the tokens keep the positions they had, which
/// are of no account where the row is cut into windows. Every column is checked, pad positions too.
/// ERR_INVALID_INPUT names value, row and column.
TokenRow take_row(const TokenBatch& batch, int64_t row, const InputLimits& limits);

/// Checks a row that a tokenizer made, against a tokenizer that does not belong to the model.
void check_row(const TokenRow& row, int64_t number, const InputLimits& limits);

/// The rows as one batch, each filled up with `pad_id` to the longest.
TokenBatch pad(std::span<const TokenRow> rows, int32_t pad_id);

/// Checks a batch whose pad positions take part (`padding: "include"`). ERR_SEQUENCE_TOO_SHORT:
/// shorter than the largest filter. ERR_INVALID_INPUT: longer than the model's positions, or a
/// value out of range.
void check_padded(const TokenBatch& batch, const InputLimits& limits);

}  // namespace bertcnn::engine
