// What waits in an engine's queue.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/clock.h"
#include "engine/compute.h"
#include "engine/requests.h"

namespace bertcnn::engine {

/// Names one user of an engine; see `Engine::attach`.
using ClientId = int64_t;

/// Names an open call for `Engine::cancel`: a client of the engine and a number that it chooses.
struct CallId {
  // NOLINTNEXTLINE(google-explicit-constructor): the first client needs no more than a number
  CallId(int64_t call_number, ClientId call_client = 0)
      : client(call_client), number(call_number) {}

  ClientId client;
  int64_t number;

  bool operator<(const CallId& other) const {
    return std::tie(client, number) < std::tie(other.client, other.number);
  }
};

struct BarrierCall;
struct PredictCall;
/// The waiting predictions of one priority.
struct Lane {
  std::list<std::shared_ptr<PredictCall>> turns;  // the call at the front gives the next row
  std::set<std::pair<TimePoint, const PredictCall*>> ages;  // the same calls, the oldest first
};

/// Predictions, and the barrier that ends them.
struct Segment {
  std::map<int64_t, Lane, std::greater<>> lanes;  // the highest priority first; none is empty
  std::shared_ptr<BarrierCall> barrier;           // null: cancelled, or the segment is still open
  int64_t rows = 0;                               // of the predictions that wait
  int64_t calls = 0;
};

/// A prediction. Rows before `next_row` have been taken into batches; those and the ones in
/// `returned` aside, all wait.
struct PredictCall {
  explicit PredictCall(CallId call_id) : id(call_id) {}

  CallId id;
  TimePoint arrived;
  Input input;
  int64_t priority = 0;
  std::function<void(Failure, Prediction&&)> callback;

  int64_t rows = 0;
  int64_t next_row = 0;
  /// A row that was prepared, but was one too many for its batch.
  struct Returned {
    int64_t row = 0;
    TokenRow tokens;
  };
  std::vector<Returned> returned;  // the next one last
  int64_t finished_rows = 0;
  bool settled = false;  // the callback was called, or is about to be

  /// Room for the results, which several batches may fill at once, each its own rows. It is kept
  /// until no batch writes to it.
  Prediction prediction;
  std::once_flag has_room;

  struct Place {
    Segment* segment;
    std::list<std::shared_ptr<PredictCall>>::iterator turn;
  };
  std::optional<Place> place;  // in the queue, while rows wait

  int64_t waiting_rows() const { return rows - next_row + static_cast<int64_t>(returned.size()); }
};

/// Work that nothing crosses: what was asked for before it ends before it starts, what is asked for
/// later starts after its end.
struct BarrierCall {
  ClientId client = 0;
  std::optional<CallId> id;  // unset: can't be cancelled
  std::function<void(Compute&, const CancelCheck&)> task;
  std::function<void(Failure)> callback;

  int64_t rows = 0;  // counted in the depth of the queue while it waits
  bool is_step = false;
  bool cancelled = false;                         // asked to stop while running
  bool disposed = false;                          // so, since its client is gone
  std::vector<std::function<void()>> afterwards;  // what waits for the end of the running task
};

}  // namespace bertcnn::engine
