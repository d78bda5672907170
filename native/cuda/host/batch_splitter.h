// Predicting goes on where a card's memory runs out: with smaller batches.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace bertcnn::cuda {

/// Cuts batches whose memory a card has not. What was too much is remembered: batches that follow
/// are cut before they are tried, until enough of them have passed to try twice as much.
class BatchSplitter {
 public:
  /// What a batch's parts are computed by.
  struct Steps {
    /// Computes the rows from `first` to before `end`. May throw.
    std::function<void(int64_t first, int64_t end)> compute;
    /// Whether the exception that is being handled says that memory ran out.
    std::function<bool()> ran_out;
    /// Gives back what can be, before a smaller part is tried.
    std::function<void()> free_memory;
  };

  /// Computes all rows, in parts where it must be; `tokens` of each row. Throws what `compute`
  /// threw where a single row is too much, or where memory is not the reason. Parts behind it are
  /// not computed then.
  void run(std::span<const int64_t> tokens, const Steps& steps);

  /// Tokens of a part; 0: no bound is known.
  int64_t most_tokens() const { return most_tokens_; }

 private:
  int64_t end_of_part(std::span<const int64_t> tokens, int64_t first) const;
  void note_failure(int64_t tokens);
  void note_success();

  static constexpr int64_t kPartsBeforeMore = 64;

  int64_t most_tokens_ = 0;
  int64_t successes_ = 0;  // since the bound was set
};

}  // namespace bertcnn::cuda
