// The graphs that are kept: those that batches asked for last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>

#include "cuda/host/graph_buckets.h"

namespace bertcnn::cuda {

/// Keeps up to `most` graphs, and drops the one that was not asked for the longest. Recording costs
/// several runs, so a shape gets a graph only once it was asked for `kUsesBefore` times. Of shapes
/// without a graph four times as many are remembered.
template <typename Graph>
class GraphCache {
 public:
  static constexpr int kUsesBefore = 3;

  explicit GraphCache(size_t most) : most_(most) {}

  /// The graph for this shape; `make` records it where that is due, and may throw: then it is not
  /// tried again before as many uses. Null: not yet.
  template <typename Make>
  Graph* find(const BatchShape& shape, Make&& make) {
    Place& place = touch(shape);
    if (place->graph || ++place->uses < kUsesBefore) return place->graph.get();
    place->uses = 0;
    while (graphs_ >= most_) drop_oldest_graph();
    place->graph = make();
    ++graphs_;
    return place->graph.get();
  }

  size_t size() const { return graphs_; }

  /// Drops all graphs, whose memory they hold together.
  void clear() {
    entries_.clear();
    places_.clear();
    graphs_ = 0;
  }

 private:
  struct Entry {
    BatchShape shape{};
    int uses = 0;
    std::unique_ptr<Graph> graph;
  };
  using Place = typename std::list<Entry>::iterator;

  /// Makes it the one that was asked for last.
  Place& touch(const BatchShape& shape) {
    auto found = places_.find(shape);
    if (found == places_.end()) {
      if (places_.size() >= kRemembered * most_) forget_oldest();
      entries_.push_front({shape});
      found = places_.emplace(shape, entries_.begin()).first;
    } else {
      entries_.splice(entries_.begin(), entries_, found->second);
    }
    return found->second;
  }

  void drop_oldest_graph() {
    for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
      if (!entry->graph) continue;
      entry->graph.reset();
      entry->uses = 0;
      --graphs_;
      return;
    }
  }

  void forget_oldest() {
    if (entries_.back().graph) --graphs_;
    places_.erase(entries_.back().shape);
    entries_.pop_back();
  }

  static constexpr size_t kRemembered = 4;

  size_t most_;
  size_t graphs_ = 0;
  std::list<Entry> entries_;  // asked for last in front
  std::map<BatchShape, Place> places_;
};

}  // namespace bertcnn::cuda
