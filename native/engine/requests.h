// What crosses between the binding, the engine and the computation: plain structs, no ATen, no V8.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "error.h"
#include "variant.h"

namespace bertcnn::model {
struct Calibration;
}

namespace bertcnn::engine {

/// Token ids as a caller gives them: `rows` x `length`, row-major. An empty mask means all ones,
/// empty type ids mean all zeros.
struct TokenBatch {
  int64_t rows = 0;
  int64_t length = 0;
  std::vector<int32_t> input_ids;
  std::vector<int32_t> attention_mask;
  std::vector<int32_t> token_type_ids;
};

/// The input of one call: texts in UTF-8, or token ids.
using Input = std::variant<std::vector<std::string>, TokenBatch>;

inline int64_t row_count(const Input& input) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&input)) {
    return static_cast<int64_t>(texts->size());
  }
  return std::get<TokenBatch>(input).rows;
}

/// One row ready for the encoder, without pad positions. `position_ids` are the places that the
/// tokens had in the caller's row.
struct TokenRow {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  std::vector<int32_t> position_ids;
  bool truncated = false;
};

struct Prediction {
  int64_t rows = 0;
  int64_t labels = 0;
  int64_t tokens = 0;                // that went through the encoder; only counted by stats
  std::vector<float> logits;         // [rows, labels]
  std::vector<float> probabilities;  // [rows, labels], or empty for regression
  std::vector<uint8_t> truncated;    // [rows], 1 where a text was cut to maxLength
  std::shared_ptr<const model::Calibration> calibration;  // for whoever ranks the labels, or null
};

/// Targets of one training batch: a class index a row, or `labels` (regression, multi-label) or one
/// (regression with a single label) floats a row, row-major.
using Labels = Variant<std::vector<int64_t>, std::vector<float>>;

struct TrainRequest {
  Input input;
  std::optional<Labels> labels;  // none where masked tokens are to be guessed
};

struct StepResult {
  int64_t step = 0;      // optimizer steps taken so far
  bool updated = false;  // whether this one ended in one
  double loss = 0;       // mean over the batch
  int64_t rows = 0;      // 0 where masked tokens were guessed
  int64_t labels = 0;
  std::vector<float> logits;           // [rows, labels], of the forward pass in training mode
  std::vector<double> learning_rates;  // one a parameter group, those of this optimizer step
  double grad_norm = 0;                // global norm before clipping
};

/// Null for success; otherwise what the call failed with. No exception_ptr: its reference counts
/// are out of ThreadSanitizer's sight, and a code would take a rethrow to read.
using Failure = std::shared_ptr<const Error>;

}  // namespace bertcnn::engine
