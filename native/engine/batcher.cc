#include "engine/batcher.h"

#include <algorithm>
#include <utility>

namespace bertcnn::engine {

void Batcher::push(std::shared_ptr<PredictCall> call) {
  PredictCall& added = *call;
  Lane single;
  single.push_back(std::move(call));
  added.place = PredictCall::Place{&segments_.back().lanes, single.begin()};
  Lane& lane = segments_.back().lanes[added.priority];
  lane.splice(lane.end(), single);
  rows_ += added.rows - added.next_row;
}

void Batcher::push(std::shared_ptr<BarrierCall> barrier) {
  const int64_t rows = barrier->rows;
  segments_.emplace_back();
  segments_[segments_.size() - 2].barrier = std::move(barrier);
  rows_ += rows;
}

Batcher::Segment& Batcher::first() {
  while (segments_.size() > 1 && segments_.front().lanes.empty() && !segments_.front().barrier) {
    segments_.pop_front();
  }
  return segments_.front();
}

bool Batcher::empty() {
  const Segment& segment = first();
  return segment.lanes.empty() && !segment.barrier;
}

std::shared_ptr<PredictCall> Batcher::next_prediction() {
  const Segment& segment = first();
  return segment.lanes.empty() ? nullptr : segment.lanes.begin()->second.front();
}

void Batcher::take_row(PredictCall& call) {
  --rows_;
  if (++call.next_row == call.rows) {
    unlink(call);
    return;
  }
  Lane& lane = call.place->lanes->at(call.priority);
  lane.splice(lane.end(), lane, call.place->at);
}

void Batcher::remove(PredictCall& call) {
  if (!call.place) return;
  rows_ -= call.rows - call.next_row;
  unlink(call);
}

void Batcher::unlink(PredictCall& call) {
  const PredictCall::Place place = *std::exchange(call.place, std::nullopt);
  const auto lane = place.lanes->find(call.priority);
  lane->second.erase(place.at);
  if (lane->second.empty()) place.lanes->erase(lane);
}

std::shared_ptr<BarrierCall> Batcher::take_barrier() {
  Segment& segment = first();
  if (!segment.lanes.empty() || !segment.barrier) return nullptr;
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

std::vector<std::shared_ptr<BarrierCall>> Batcher::clear() {
  std::vector<std::shared_ptr<BarrierCall>> barriers;
  for (Segment& segment : segments_) {
    for (auto& [priority, lane] : segment.lanes) {
      for (const std::shared_ptr<PredictCall>& call : lane) call->place.reset();
    }
    if (segment.barrier) barriers.push_back(std::move(segment.barrier));
  }
  segments_.clear();
  segments_.emplace_back();
  rows_ = 0;
  return barriers;
}

}  // namespace bertcnn::engine
