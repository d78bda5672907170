// What waits in an engine's queue.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "engine/compute.h"
#include "engine/requests.h"

namespace bertcnn::engine {

/// Names an open call for `Engine::cancel`; the caller chooses it.
using CallId = int64_t;

struct PredictCall;
/// The waiting predictions of one priority. The call at the front gives the next row.
using Lane = std::list<std::shared_ptr<PredictCall>>;
/// The lanes between two barriers, the highest priority first.
using Lanes = std::map<int64_t, Lane, std::greater<>>;

/// A prediction. Rows before `next_row` have been taken into a batch, the others wait.
struct PredictCall {
  CallId id = 0;
  Input input;
  int64_t priority = 0;
  std::function<void(Failure, Prediction&&)> callback;

  int64_t rows = 0;
  int64_t next_row = 0;
  int64_t finished_rows = 0;
  bool settled = false;          // the callback was called, or is about to be
  std::optional<TokenRow> held;  // `next_row`, prepared, but one too many for the last batch
  Prediction prediction;         // filled row by row; kept until no batch writes to it
  struct Place {
    Lanes* lanes;
    Lane::iterator at;
  };
  std::optional<Place> place;  // in the queue, while rows wait
};

/// Work that nothing crosses: what was asked for before it ends before it starts, what is asked for
/// later starts after its end.
struct BarrierCall {
  std::optional<CallId> id;  // unset: can't be cancelled
  std::function<void(Compute&, const CancelCheck&)> task;
  std::function<void(Failure)> callback;

  int64_t rows = 0;  // counted in the depth of the queue while it waits
  bool is_step = false;
  bool cancelled = false;  // asked to stop while running
};

}  // namespace bertcnn::engine
