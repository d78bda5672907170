#include "engine/batcher.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace bertcnn::engine {

void Batcher::push(const std::shared_ptr<PredictCall>& call) {
  const int64_t rows = call->waiting_rows();
  link(segments_.back(), call, false);
  count_rows(segments_.back(), rows);
}

void Batcher::push(std::shared_ptr<BarrierCall> barrier) {
  const int64_t rows = barrier->rows;
  segments_.emplace_back();
  segments_[segments_.size() - 2].barrier = std::move(barrier);
  rows_ += rows;
}

void Batcher::count_rows(Segment& segment, int64_t rows) {
  segment.rows += rows;
  rows_ += rows;
}

Segment& Batcher::first() {
  while (segments_.size() > 1 && segments_.front().lanes.empty() && !segments_.front().barrier) {
    segments_.pop_front();
  }
  return segments_.front();
}

bool Batcher::empty() {
  const Segment& segment = first();
  return segment.lanes.empty() && !segment.barrier;
}

// ---- predictions

TimePoint Batcher::oldest_arrival() {
  TimePoint oldest = TimePoint::max();
  for (const auto& [priority, lane] : first().lanes) {
    oldest = std::min(oldest, lane.ages.begin()->first);
  }
  return oldest;
}

std::optional<int64_t> Batcher::choose_priority(TimePoint overdue) {
  const auto& lanes = first().lanes;
  if (lanes.empty()) return std::nullopt;
  auto chosen = lanes.begin();
  if (!favoured_age_) {
    const auto longest =
        std::min_element(std::next(chosen), lanes.end(), [](const auto& one, const auto& other) {
          return one.second.ages.begin()->first < other.second.ages.begin()->first;
        });
    if (longest != lanes.end() && longest->second.ages.begin()->first <= overdue) chosen = longest;
  }
  favoured_age_ = chosen != lanes.begin();
  return chosen->first;
}

std::shared_ptr<PredictCall> Batcher::next_call(int64_t priority) {
  const Segment& segment = first();
  const auto lane = segment.lanes.find(priority);
  return lane == segment.lanes.end() ? nullptr : lane->second.turns.front();
}

std::optional<TakenRow> Batcher::take_row(int64_t priority) {
  std::shared_ptr<PredictCall> call = next_call(priority);
  if (!call) return std::nullopt;
  TakenRow taken{call, call->next_row, std::nullopt};
  count_rows(*call->place->segment, -1);
  if (call->returned.empty()) {
    ++call->next_row;
  } else {
    taken.row = call->returned.back().row;
    taken.tokens = std::move(call->returned.back().tokens);
    call->returned.pop_back();
  }
  if (call->waiting_rows() == 0) {
    unlink(*call);
  } else {
    auto& turns = call->place->segment->lanes.at(priority).turns;
    turns.splice(turns.end(), turns, call->place->turn);
  }
  return taken;
}

void Batcher::give_back(TakenRow& row) {
  PredictCall& call = *row.call;
  if (call.returned.size() == call.returned.capacity()) {
    call.returned.reserve(std::max<size_t>(4, 2 * call.returned.size()));
  }
  if (!call.place) {
    link(first(), row.call, true);
  } else {
    auto& turns = call.place->segment->lanes.at(call.priority).turns;
    turns.splice(turns.begin(), turns, call.place->turn);
  }
  call.returned.push_back({row.row, *std::move(row.tokens)});
  count_rows(*call.place->segment, 1);
}

std::shared_ptr<PredictCall> Batcher::take_call(int64_t priority) {
  std::shared_ptr<PredictCall> call = next_call(priority);
  if (call) remove(*call);
  return call;
}

void Batcher::remove(PredictCall& call) {
  if (!call.place) return;
  count_rows(*call.place->segment, -call.waiting_rows());
  unlink(call);
}

void Batcher::link(Segment& segment, const std::shared_ptr<PredictCall>& call, bool in_front) {
  PredictCall& linked = *call;
  // All that needs memory first, so that a call is linked as a whole or not at all.
  std::list<std::shared_ptr<PredictCall>> turn(1, call);
  decltype(Lane::ages) age{{linked.arrived, &linked}};
  Lane& lane = segment.lanes[linked.priority];
  linked.place = PredictCall::Place{&segment, turn.begin()};
  lane.turns.splice(in_front ? lane.turns.begin() : lane.turns.end(), turn);
  lane.ages.merge(age);
  ++segment.calls;
}

void Batcher::unlink(PredictCall& call) {
  const PredictCall::Place place = *std::exchange(call.place, std::nullopt);
  const auto lane = place.segment->lanes.find(call.priority);
  --place.segment->calls;
  lane->second.ages.erase({call.arrived, &call});
  lane->second.turns.erase(place.turn);
  if (lane->second.turns.empty()) place.segment->lanes.erase(lane);
}

// ---- barriers

bool Batcher::barrier_is_next() {
  const Segment& segment = first();
  return segment.lanes.empty() && segment.barrier;
}

std::shared_ptr<BarrierCall> Batcher::take_barrier() {
  if (!barrier_is_next()) return nullptr;
  Segment& segment = first();
  rows_ -= segment.barrier->rows;
  return std::exchange(segment.barrier, nullptr);
}

bool Batcher::remove(const BarrierCall& barrier) {
  for (Segment& segment : segments_) {
    if (segment.barrier.get() != &barrier) continue;
    rows_ -= barrier.rows;
    segment.barrier = nullptr;
    return true;
  }
  return false;
}

std::shared_ptr<BarrierCall> Batcher::remove_barrier(const std::optional<ClientId>& client) {
  for (Segment& segment : segments_) {
    if (!segment.barrier || (client && segment.barrier->client != *client)) continue;
    rows_ -= segment.barrier->rows;
    return std::exchange(segment.barrier, nullptr);
  }
  return nullptr;
}

}  // namespace bertcnn::engine
