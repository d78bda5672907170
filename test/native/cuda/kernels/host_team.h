// Threads of the CPU in place of a block's, so that the kernels' source runs without a card.
#pragma once

#include <barrier>
#include <thread>
#include <vector>

namespace bertcnn::cuda {

/// A member of a team; see kernels/both.h.
class HostTeam {
 public:
  struct Shared {
    explicit Shared(int size) : barrier(size), parts(size) {}
    std::barrier<> barrier;
    std::vector<float> parts;
  };

  HostTeam(Shared& shared, int rank) : shared_(&shared), rank_(rank) {}

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(shared_->parts.size()); }

  float sum(float value) const {
    shared_->parts[rank_] = value;
    shared_->barrier.arrive_and_wait();
    float total = 0;
    for (const float part : shared_->parts) total += part;
    shared_->barrier.arrive_and_wait();
    return total;
  }

 private:
  Shared* shared_;
  int rank_;
};

/// Calls f(team) on each of `size` members at once.
template <typename Function>
void with_team(int size, Function&& f) {
  HostTeam::Shared shared(size);
  std::vector<std::jthread> threads;
  for (int rank = 1; rank < size; ++rank) {
    threads.emplace_back([&, rank] { f(HostTeam(shared, rank)); });
  }
  f(HostTeam(shared, 0));
}

}  // namespace bertcnn::cuda
