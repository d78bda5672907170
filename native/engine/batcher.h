// The order of an engine's work: which row is next, and when it is a barrier's turn.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "engine/call.h"

namespace bertcnn::engine {

/// Everything that waits. The queue is a row of segments: predictions, then the barrier that ends
/// them. Within a segment the highest priority goes first, and within a priority the calls give a
/// row each in turn, so that a small call never waits for a large one. Knows neither threads nor
/// locks.
class Batcher {
 public:
  Batcher() : segments_(1) {}

  void push(std::shared_ptr<PredictCall> call);
  void push(std::shared_ptr<BarrierCall> barrier);

  /// Whether nothing waits.
  bool empty();
  /// Rows that wait: of predictions those that no batch has taken yet, and those of training steps.
  int64_t rows() const { return rows_; }

  /// The call whose row `next_row` is next. Null: a barrier is next, or nothing.
  std::shared_ptr<PredictCall> next_prediction();
  /// Counts the call's next row as taken; the call goes to the end of its lane, or leaves the queue
  /// if that was its last row.
  void take_row(PredictCall& call);
  /// Takes a call's remaining rows out of the queue.
  void remove(PredictCall& call);

  /// Takes the barrier whose turn it is. Null: predictions are next, or nothing.
  std::shared_ptr<BarrierCall> take_barrier();
  /// Takes a waiting barrier out of the queue. False: it doesn't wait here.
  bool remove(const BarrierCall& barrier);

  /// Takes everything; answers the barriers that waited.
  std::vector<std::shared_ptr<BarrierCall>> clear();

 private:
  struct Segment {
    Lanes lanes;                           // none of them empty
    std::shared_ptr<BarrierCall> barrier;  // null: cancelled, or the segment is still open
  };

  /// The first segment in which something waits, or the open one at the end.
  Segment& first();
  /// Takes a call off its lane. The queue's reference may have been the last one.
  static void unlink(PredictCall& call);

  std::deque<Segment> segments_;  // the last one is open and has no barrier
  int64_t rows_ = 0;
};

}  // namespace bertcnn::engine
