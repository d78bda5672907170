// What the engine schedules, seen from the engine: an interface without tensors, so that scheduling
// is tested with a fake one and under ThreadSanitizer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "engine/requests.h"
#include "engine/stats.h"

namespace bertcnn::engine {

/// Asked between layers: true once nobody waits for the batch any more. Then throw ERR_CANCELLED,
/// or return: the results are ignored. A training step must throw, with nothing changed, or go to
/// its end.
using CancelCheck = std::function<bool()>;

/// Where the results of one row go: `logits` and `probabilities` hold `labels()` floats each
/// (`probabilities` is null for regression).
struct RowOutput {
  float* logits;
  float* probabilities;
};

/// The computation behind an engine. The engine's lead thread makes it, calls every member and
/// destroys it. Its workers call `use_threads`, `prepare`, `example`, `predict`, `predict_call` and
/// what says how predictions look: these, and only these, run on several threads at once, and never
/// beside anything else.
class Compute {
 public:
  virtual ~Compute() = default;

  /// Number of labels, the width of a row's logits.
  virtual int64_t labels() const = 0;
  /// Whether predictions come with probabilities (false for regression).
  virtual bool has_probabilities() const = 0;
  /// What goes with the logits of predictions from now on; null: nothing.
  virtual std::shared_ptr<const model::Calibration> calibration() const { return nullptr; }
  /// Whether one call is one batch (`padding: "include"`), never merged with others, cut or split.
  virtual bool call_is_batch() const = 0;

  /// How many threads may predict at once to some gain; 1 where the device takes turns anyway.
  virtual int64_t most_workers() const = 0;
  /// Called once on each worker, before anything else: its operations may use `threads` threads.
  /// The lead's number is set where the Compute is made.
  virtual void use_threads(int64_t threads) = 0;

  /// Turns row `row` of `input` into tokens. Throws Error for ids out of range and the like.
  virtual TokenRow prepare(const Input& input, int64_t row) = 0;

  /// A made-up row of about `length` tokens, as far as the model takes it, for warming up.
  virtual TokenRow example(int64_t length) const = 0;

  /// Predicts the rows as one packed batch. Not called where `call_is_batch()`.
  virtual void predict(std::span<const TokenRow* const> rows, std::span<const RowOutput> outputs,
                       const CancelCheck& cancelled) = 0;

  /// Predicts a whole call as one batch. Only called where `call_is_batch()`.
  virtual Prediction predict_call(const Input& input, const CancelCheck& cancelled) = 0;

  /// One training step. A step that throws has changed nothing.
  virtual StepResult train_step(const TrainRequest& request, const CancelCheck& cancelled) = 0;

  /// Of the cache that training steps use, if there is one.
  virtual FeatureCacheStats feature_cache() const { return {}; }

  /// Of the card that it computes on. Like what says how predictions look.
  virtual DeviceMemory memory() const { return {}; }

  /// Tokens of a batch that computes about as fast as larger ones.
  virtual int64_t usual_batch_tokens() const { return 1024; }

  /// How often a batch has to be predicted until others of its size are as fast as they get.
  virtual int64_t warm_runs() const { return 1; }
};

}  // namespace bertcnn::engine
