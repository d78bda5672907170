// Work of one environment that needs no model: reading tokenizers, encoding many texts.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace bertcnn::binding {

/// A thread that does tasks in their order, started at the first. Not libuv's pool: its four
/// threads belong to the program's files, DNS and compression, and long texts would hold them up.
class Background {
 public:
  /// A task may ask whether to give up, since nobody waits for it any more.
  using Task = std::function<void(const std::atomic<bool>& stopping)>;

  ~Background() { stop(); }

  void run(Task task);
  /// Drops what waits, asks the running task to give up, and waits for it. Later tasks are dropped.
  void stop();

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace bertcnn::binding
