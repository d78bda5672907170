// How an engine puts batches together, computes them and hands out the results.
#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

#include "engine/engine.h"
#include "engine/failure.h"
#include "engine/share.h"
#include "fault_point.h"

namespace bertcnn::engine {
namespace {

int64_t length_of(const TokenRow& row) {
  return static_cast<int64_t>(row.input_ids.size());
}

/// Room for the results of all rows of a call.
Prediction make_prediction(const Compute& compute, int64_t rows) {
  Prediction prediction;
  prediction.rows = rows;
  prediction.labels = compute.labels();
  const auto size = static_cast<size_t>(rows * prediction.labels);
  prediction.logits.resize(size);
  if (compute.has_probabilities()) prediction.probabilities.resize(size);
  prediction.truncated.resize(static_cast<size_t>(rows));
  prediction.calibration = compute.calibration();
  return prediction;
}

/// As token ids, which a Compute takes as a whole call.
Input to_input(const std::vector<TokenRow>& rows) {
  TokenBatch batch;
  batch.rows = std::ssize(rows);
  batch.length = length_of(rows.front());
  for (const TokenRow& row : rows) {
    batch.input_ids.insert(batch.input_ids.end(), row.input_ids.begin(), row.input_ids.end());
  }
  return batch;
}

}  // namespace

/// Rows of one priority that are predicted together: lower ones would make the higher wait for
/// their rows, too.
struct Engine::Batch {
  struct Row {
    std::shared_ptr<PredictCall> call;
    int64_t row;
    TokenRow tokens;
    bool ends = false;  // whether its call was settled with this batch
  };
  int64_t share;  // rows that it may still take
  std::optional<int64_t> priority;
  std::vector<Row> rows;
  int64_t tokens = 0;
  bool full = false;  // a row did not fit
  Duration tokenizer_time{};
};

void Engine::predict(int64_t share) {
  if (compute_->call_is_batch()) {
    if (const std::shared_ptr<PredictCall> call = take_call(share)) predict_call(call);
    return;
  }
  Batch batch = gather(share);
  if (!batch.rows.empty()) predict_batch(batch);
}

// ---- a call as one batch, where `call_is_batch()`

std::shared_ptr<PredictCall> Engine::take_call(int64_t share) {
  const TimePoint now = options_.clock->now();
  const std::lock_guard lock(mutex_);
  if (share != kEverything) promised_ -= share;
  const auto priority = queue_.choose_priority(now - options_.max_priority_age);
  std::shared_ptr<PredictCall> call = priority ? queue_.take_call(*priority) : nullptr;
  if (call) stats_.queue_time += call->rows * (now - call->arrived);
  return call;
}

void Engine::predict_call(const std::shared_ptr<PredictCall>& call) {
  const TimePoint start = options_.clock->now();
  Failure failure;
  try {
    call->prediction = compute_->predict_call(call->input, [this, &call] {
      const std::lock_guard lock(mutex_);
      return call->settled;
    });
  } catch (...) {
    failure = current_failure();
  }
  {
    const std::lock_guard lock(mutex_);
    stats_.compute_time += options_.clock->now() - start;
    if (!failure) count_batch(call->rows, call->prediction.tokens);
  }
  settle(call, failure);
}

// ---- putting a batch together

Engine::Batch Engine::gather(int64_t share) {
  Batch batch{.share = share};
  while (std::optional<TakenRow> row = take_row(batch)) {
    const std::shared_ptr<PredictCall> call = row->call;
    try {
      if (!add_row(batch, *std::move(row))) break;
    } catch (...) {
      settle(call, current_failure());
    }
  }
  finish_gathering(batch);
  return batch;
}

std::optional<TakenRow> Engine::take_row(Batch& batch) {
  const std::lock_guard lock(mutex_);
  if (!batch.priority) {
    batch.priority = queue_.choose_priority(options_.clock->now() - options_.max_priority_age);
  }
  if (!batch.priority || batch.share == 0) return std::nullopt;
  std::optional<TakenRow> row = queue_.take_row(*batch.priority);
  if (row && batch.share != kEverything) {
    --batch.share;
    --promised_;
  }
  return row;
}

// False: the row doesn't fit, and waits for the next batch.
bool Engine::add_row(Batch& batch, TakenRow row) {
  fault_point("gather");
  PredictCall& call = *row.call;
  std::call_once(call.has_room, [&] { call.prediction = make_prediction(*compute_, call.rows); });
  if (!row.tokens) {
    const TimePoint start = options_.clock->now();
    row.tokens = compute_->prepare(call.input, row.row);
    batch.tokenizer_time += options_.clock->now() - start;
  }
  const int64_t length = length_of(*row.tokens);
  if (!batch.rows.empty() && batch.tokens + length > max_batch_tokens_) {
    batch.full = true;
    give_back(row);
    return false;
  }
  batch.rows.push_back({std::move(row.call), row.row, *std::move(row.tokens)});
  batch.tokens += length;
  return true;
}

void Engine::give_back(TakenRow& row) {
  const std::lock_guard lock(mutex_);
  if (!row.call->settled) queue_.give_back(row);
}

// Gives up what was promised but not taken, and drops the rows of calls that were cancelled, or
// failed by another of their rows, meanwhile.
void Engine::finish_gathering(Batch& batch) {
  const std::lock_guard lock(mutex_);
  stats_.tokenizer_time += batch.tokenizer_time;
  if (batch.share != kEverything) promised_ -= std::exchange(batch.share, 0);
  std::erase_if(batch.rows, [&batch](const Batch::Row& row) {
    if (row.call->settled) batch.tokens -= length_of(row.tokens);
    return row.call->settled;
  });
  if (is_worth_waiting(batch)) {
    wait_for_more(batch);
  } else {
    const TimePoint now = options_.clock->now();
    for (const Batch::Row& row : batch.rows) stats_.queue_time += now - row.call->arrived;
  }
  wake_next();
}

// Whether more rows may come in time for a batch that could hold them.
bool Engine::is_worth_waiting(const Batch& batch) {
  if (options_.max_queue_delay == Duration::zero() || batch.rows.empty() || batch.full)
    return false;
  if (batch.tokens >= max_batch_tokens_ || closed_ || queue_.barrier_follows()) return false;
  const int64_t rows = queue_.rows() + std::ssize(batch.rows);
  if (options_.max_queue_rows > 0 && rows >= options_.max_queue_rows) return false;
  TimePoint oldest = queue_.oldest_arrival();
  for (const Batch::Row& row : batch.rows) oldest = std::min(oldest, row.call->arrived);
  return options_.clock->now() < oldest + options_.max_queue_delay;
}

// Puts all rows back to where they were, so that they can be cancelled, and overtaken by a higher
// priority, as if nobody had looked at them. Rows for which there is no memory in the queue are
// computed at once instead.
void Engine::wait_for_more(Batch& batch) {
  while (!batch.rows.empty()) {
    Batch::Row& row = batch.rows.back();
    const int64_t length = length_of(row.tokens);
    TakenRow taken{row.call, row.row, std::move(row.tokens)};
    try {
      queue_.give_back(taken);
    } catch (const std::bad_alloc&) {
      row.tokens = *std::move(taken.tokens);
      return;
    }
    batch.tokens -= length;
    batch.rows.pop_back();
  }
  patience_ = Patience{queue_.oldest_arrival() + options_.max_queue_delay, arrivals_};
}

// ---- computing a batch

void Engine::predict_batch(Batch& batch) {
  const TimePoint start = options_.clock->now();
  Failure failure;
  try {
    std::vector<const TokenRow*> rows;
    std::vector<RowOutput> outputs;
    for (const Batch::Row& row : batch.rows) {
      Prediction& prediction = row.call->prediction;
      const auto offset = static_cast<size_t>(row.row * prediction.labels);
      rows.push_back(&row.tokens);
      outputs.push_back(
          {prediction.logits.data() + offset,
           prediction.probabilities.empty() ? nullptr : prediction.probabilities.data() + offset});
      prediction.truncated[static_cast<size_t>(row.row)] = row.tokens.truncated ? 1 : 0;
    }
    compute_->predict(rows, outputs, [this, &batch] {
      const std::lock_guard lock(mutex_);
      return std::ranges::all_of(batch.rows, [](const auto& row) { return row.call->settled; });
    });
  } catch (...) {
    failure = current_failure();
  }
  finish_batch(batch, options_.clock->now() - start, failure);
}

void Engine::finish_batch(Batch& batch, Duration time, const Failure& failure) {
  const DeviceMemory memory = compute_->memory();
  {
    const std::lock_guard lock(mutex_);
    stats_.compute_time += time;
    stats_.memory = memory;
    if (!failure) count_batch(std::ssize(batch.rows), batch.tokens);
    for (Batch::Row& row : batch.rows) {
      const bool ends = failure || ++row.call->finished_rows == row.call->rows;
      row.ends = ends && mark_settled(*row.call);
    }
  }
  for (const Batch::Row& row : batch.rows) {
    if (!row.ends) continue;
    // Another batch may still write to the prediction of a call that failed.
    row.call->callback(failure, failure ? Prediction{} : std::move(row.call->prediction));
  }
}

// Under the lock.
void Engine::count_batch(int64_t rows, int64_t tokens) {
  stats_.rows += rows;
  stats_.tokens += tokens;
  ++stats_.batches;
  stats_.batch_rows.add(rows);
  stats_.batch_tokens.add(tokens);
}

// ---- warming up

void Engine::warm(const CancelCheck& cancelled) {
  constexpr int64_t kShort = 16, kLong = 128, kUsual = 32;  // tokens of a text
  warm_with({compute_->example(kShort)}, cancelled);
  warm_with({compute_->example(kLong)}, cancelled);
  const TokenRow usual = compute_->example(kUsual);
  const int64_t rows = std::max<int64_t>(1, max_batch_tokens_ / length_of(usual));
  // A batch of a million tokens would warm nothing that a thousand rows do not.
  warm_with(std::vector<TokenRow>(static_cast<size_t>(std::min<int64_t>(rows, 1024)), usual),
            cancelled);
}

void Engine::warm_with(const std::vector<TokenRow>& rows, const CancelCheck& cancelled) {
  if (compute_->call_is_batch()) {
    compute_->predict_call(to_input(rows), cancelled);
    return;
  }
  Prediction prediction = make_prediction(*compute_, std::ssize(rows));
  std::vector<const TokenRow*> pointers;
  std::vector<RowOutput> outputs;
  for (const TokenRow& row : rows) {
    const auto offset = pointers.size() * static_cast<size_t>(prediction.labels);
    pointers.push_back(&row);
    outputs.push_back(
        {prediction.logits.data() + offset,
         prediction.probabilities.empty() ? nullptr : prediction.probabilities.data() + offset});
  }
  for (int64_t run = 0; run < compute_->warm_runs(); ++run) {
    compute_->predict(pointers, outputs, cancelled);
  }
}

}  // namespace bertcnn::engine
