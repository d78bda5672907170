// Time as an engine sees it; tests have a clock of their own, which stands still until they move
// it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace bertcnn::engine {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Clock {
 public:
  Clock() = default;
  virtual ~Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  virtual TimePoint now() const { return std::chrono::steady_clock::now(); }
  /// Until somebody notifies, or `time` has come, or for no reason at all.
  virtual void wait_until(std::condition_variable& wake, std::unique_lock<std::mutex>& lock,
                          TimePoint time) {
    wake.wait_until(lock, time);
  }
};

}  // namespace bertcnn::engine
