// The order of an engine's work: which row is next, and when it is a barrier's turn.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "engine/call.h"

namespace bertcnn::engine {

/// A row that a batch has taken.
struct TakenRow {
  std::shared_ptr<PredictCall> call;
  int64_t row = 0;
  std::optional<TokenRow> tokens;  // set where it was prepared before, and then returned
};

/// Everything that waits. The queue is a row of segments: predictions, then the barrier that ends
/// them. Within a segment the highest priority goes first, and within a priority the calls give a
/// row each in turn, so that a small call never waits for a large one. Calls of lower priorities
/// that have waited too long get every second batch: then they end, and the higher ones still get
/// the other half. Knows neither threads nor locks.
class Batcher {
 public:
  Batcher() : segments_(1) {}

  void push(const std::shared_ptr<PredictCall>& call);
  void push(std::shared_ptr<BarrierCall> barrier);

  /// Whether nothing waits.
  bool empty();
  /// Rows that wait: of predictions those that no batch has taken yet, and those of training steps.
  int64_t rows() const { return rows_; }
  /// Rows, and calls, whose turn comes before the next barrier's.
  int64_t rows_before_barrier() { return first().rows; }
  int64_t calls_before_barrier() { return first().calls; }

  /// Whether predictions are next, not a barrier or nothing.
  bool predictions_are_next() { return !first().lanes.empty(); }
  /// Whether a barrier waits behind the predictions that are next: none can join them any more.
  bool barrier_follows() { return first().barrier != nullptr; }
  /// When the longest waiting of the predictions that are next arrived. There must be some.
  TimePoint oldest_arrival();
  /// The priority that the next batch is taken from, where calls that arrived at `overdue` or
  /// before have waited too long. Nothing: no predictions are next.
  std::optional<int64_t> choose_priority(TimePoint overdue);
  /// Takes the next row of that priority; its call goes to the end of its lane, or leaves the queue
  /// if that was its last row. Nothing: none waits.
  std::optional<TakenRow> take_row(int64_t priority);
  /// Puts a taken row, prepared, back to where it was: it is the next of its priority. Only before
  /// a later barrier is taken. Where there is no memory for that, the row stays the caller's.
  void give_back(TakenRow& row);
  /// Takes a call with all its rows. Nothing: none of that priority waits.
  std::shared_ptr<PredictCall> take_call(int64_t priority);
  /// Takes a call's remaining rows out of the queue.
  void remove(PredictCall& call);

  /// Whether a barrier is next.
  bool barrier_is_next();
  /// Takes the barrier whose turn it is. Null: predictions are next, or nothing.
  std::shared_ptr<BarrierCall> take_barrier();
  /// Takes a waiting barrier out of the queue. False: it doesn't wait here.
  bool remove(const BarrierCall& barrier);

  /// Takes a waiting barrier out of the queue, of one client or of any. Null: there is none.
  std::shared_ptr<BarrierCall> remove_barrier(const std::optional<ClientId>& client);

 private:
  /// The first segment in which something waits, or the open one at the end.
  Segment& first();
  /// The call of that priority whose turn it is.
  std::shared_ptr<PredictCall> next_call(int64_t priority);
  void link(Segment& segment, const std::shared_ptr<PredictCall>& call, bool in_front);
  /// Takes a call off its lane. The queue's reference may have been the last one.
  void unlink(PredictCall& call);
  void count_rows(Segment& segment, int64_t rows);

  bool favoured_age_ = false;     // whether the last batch was one of calls that waited too long
  std::deque<Segment> segments_;  // the last one is open and has no barrier
  int64_t rows_ = 0;
};

}  // namespace bertcnn::engine
