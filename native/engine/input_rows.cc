#include "engine/input_rows.h"

#include <algorithm>
#include <vector>

#include "error.h"

namespace bertcnn::engine {
namespace {

void check_range(int64_t value, int64_t limit, const char* what, int64_t row, int64_t column) {
  if (value < 0 || value >= limit) {
    fail("ERR_INVALID_INPUT", "Expected ", what, " from 0 to ", limit - 1, " but received ", value,
         " in row ", row, ", column ", column, ".");
  }
}

/// One row of a TokenBatch, with the defaults of what was left out.
class RowView {
 public:
  RowView(const TokenBatch& batch, int64_t row) : batch_(batch), row_(row) {}

  int32_t input_id(int64_t column) const { return at(batch_.input_ids, column, 0); }
  int32_t mask(int64_t column) const { return at(batch_.attention_mask, column, 1); }
  int32_t type_id(int64_t column) const { return at(batch_.token_type_ids, column, 0); }

  void check(const InputLimits& limits) const {
    bool any = false;
    for (int64_t column = 0; column < batch_.length; ++column) {
      check_range(input_id(column), limits.vocab_size, "a token id", row_, column);
      check_range(type_id(column), limits.type_vocab_size, "a token type id", row_, column);
      check_range(mask(column), 2, "an attention mask", row_, column);
      any |= mask(column) == 1;
    }
    if (!any) {
      fail("ERR_INVALID_INPUT", "Expected at least one token in row ", row_,
           " but it is empty or its attention mask is all zeros.");
    }
  }

 private:
  int32_t at(const std::vector<int32_t>& values, int64_t column, int32_t otherwise) const {
    return values.empty() ? otherwise : values[row_ * batch_.length + column];
  }

  const TokenBatch& batch_;
  int64_t row_;
};

void check_sizes(const TokenBatch& batch) {
  const auto size = static_cast<size_t>(batch.rows * batch.length);
  const auto fits = [size](const std::vector<int32_t>& values, bool optional) {
    return values.size() == size || (optional && values.empty());
  };
  if (batch.rows < 0 || batch.length < 0 || !fits(batch.input_ids, false) ||
      !fits(batch.attention_mask, true) || !fits(batch.token_type_ids, true)) {
    fail("ERR_INVALID_INPUT", "Expected token ids, masks and type ids of ", batch.rows, " x ",
         batch.length, " values.");
  }
}

}  // namespace

TokenRow take_row(const TokenBatch& batch, int64_t row, const InputLimits& limits) {
  check_sizes(batch);
  const RowView view(batch, row);
  view.check(limits);
  TokenRow result;
  for (int64_t column = 0; column < batch.length; ++column) {
    if (view.mask(column) == 0) continue;
    result.input_ids.push_back(view.input_id(column));
    result.token_type_ids.push_back(view.type_id(column));
    result.position_ids.push_back(static_cast<int32_t>(column));
  }
  if (limits.window && std::ssize(result.input_ids) > *limits.window) return result;
  for (const int64_t column : result.position_ids) {
    check_range(column, limits.max_positions, "a token at a position", row, column);
  }
  return result;
}

void check_row(const TokenRow& row, int64_t number, const InputLimits& limits) {
  for (size_t i = 0; i < row.input_ids.size(); ++i) {
    check_range(row.input_ids[i], limits.vocab_size, "a token id", number, static_cast<int64_t>(i));
  }
}

TokenBatch pad(std::span<const TokenRow> rows, int32_t pad_id) {
  TokenBatch batch;
  batch.rows = static_cast<int64_t>(rows.size());
  for (const TokenRow& row : rows) {
    batch.length = std::max(batch.length, static_cast<int64_t>(row.input_ids.size()));
  }
  const auto append = [&batch](std::vector<int32_t>& to, const std::vector<int32_t>& from,
                               int32_t filler) {
    to.insert(to.end(), from.begin(), from.end());
    to.resize(to.size() + batch.length - from.size(), filler);
  };
  for (const TokenRow& row : rows) {
    append(batch.input_ids, row.input_ids, pad_id);
    append(batch.token_type_ids, row.token_type_ids, 0);
    append(batch.attention_mask, std::vector<int32_t>(row.input_ids.size(), 1), 0);
  }
  return batch;
}

void check_padded(const TokenBatch& batch, const InputLimits& limits) {
  check_sizes(batch);
  for (int64_t row = 0; row < batch.rows; ++row) RowView(batch, row).check(limits);
  if (batch.length < limits.largest_filter) {
    fail("ERR_SEQUENCE_TOO_SHORT", "The padded batch is ", batch.length,
         " tokens long, shorter than the largest filter size ", limits.largest_filter,
         ". Pad it to that length, or use padding 'ignore'.");
  }
  if (batch.length > limits.max_positions) {
    fail("ERR_INVALID_INPUT", "The padded batch is ", batch.length, " tokens long; the model has ",
         limits.max_positions, " positions.");
  }
}

}  // namespace bertcnn::engine
