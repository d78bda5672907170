#include "text/batch.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>

#include "error.h"

namespace bertcnn::text {
namespace {

/// Texts that one thread encodes before it takes more: a fraction of a millisecond's work, so that
/// threads end together, and far more than the taking costs.
constexpr size_t kPartBytes = 32 << 10;

/// The texts `[first, last)` and what became of them.
struct Part {
  size_t first = 0, last = 0;
  BatchEncoding encoded;
};

class BatchEncoder {
 public:
  BatchEncoder(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
               const std::vector<std::string>* pairs, const BatchOptions& options,
               const std::atomic<bool>& stopping)
      : tokenizer_(tokenizer), texts_(texts), pairs_(pairs), options_(options), stop_(stopping) {
    divide();
  }

  std::optional<BatchEncoding> encode() {
    work_together();
    if (failure_) std::rethrow_exception(failure_);
    if (stop_) return std::nullopt;
    if (parts_.empty()) return BatchEncoding{};
    if (parts_.size() == 1 && !pads()) return std::move(parts_[0].encoded);
    return join();
  }

 private:
  bool pads() const { return options_.pad_to_longest || options_.pad_length != 0; }

  void divide() {
    size_t bytes = 0;
    for (size_t i = 0; i < texts_.size(); ++i) {
      if (parts_.empty() || bytes >= kPartBytes) {
        parts_.push_back({i, i, {}});
        bytes = 0;
      }
      parts_.back().last = i + 1;
      bytes += texts_[i].size() + (pairs_ ? (*pairs_)[i].size() : 0) + 1;
    }
  }

  void work_together() {
    std::vector<std::jthread> helpers;
    const size_t useful = std::min<size_t>(options_.threads, parts_.size());
    try {
      for (size_t i = 1; i < useful; ++i) helpers.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The system gives no more threads: fewer do.
    }
    work();
  }

  void work() {
    try {
      for (size_t i = next_++; i < parts_.size() && !failed_; i = next_++) {
        if (!encode_part(parts_[i])) return;
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      failed_ = true;
    }
  }

  /// False where it was stopped.
  bool encode_part(Part& part) const {
    for (size_t i = part.first; i != part.last; ++i) {
      if (stop_) return false;
      part.encoded.append(pairs_ ? tokenizer_.encode_pair(texts_[i], (*pairs_)[i], options_.encode)
                                 : tokenizer_.encode(texts_[i], options_.encode));
    }
    return true;
  }

  BatchEncoding join() {
    const int32_t width = padded_length();
    BatchEncoding all;
    reserve(all, width);
    for (Part& part : parts_) {
      append_padded(part.encoded, width, all);
      part.encoded = {};
    }
    return all;
  }

  int32_t padded_length() const {
    size_t width = options_.pad_length;
    if (options_.pad_to_longest) {
      for (const Part& part : parts_) {
        for (const int32_t length : part.encoded.lengths) {
          width = std::max(width, static_cast<size_t>(length));
        }
      }
    }
    constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int32_t>::max());
    if (width > kMost / texts_.size()) {
      fail("ERR_INVALID_ARGUMENT", "Expected padding to give at most ", kMost, " tokens, but ",
           texts_.size(), " texts of ", width, " tokens are more");
    }
    return static_cast<int32_t>(width);
  }

  void reserve(BatchEncoding& all, int32_t width) const {
    size_t tokens = 0;
    for (const Part& part : parts_) {
      for (const int32_t length : part.encoded.lengths) {
        tokens += static_cast<size_t>(std::max(length, width));
      }
    }
    all.lengths.reserve(texts_.size());
    all.unpadded_lengths.reserve(texts_.size());
    all.truncated.reserve(texts_.size());
    all.ids.reserve(tokens);
    all.special_tokens_mask.reserve(tokens);
    if (options_.encode.type_ids) all.type_ids.reserve(tokens);
    if (options_.encode.offsets) all.offsets.reserve(2 * tokens);
  }

  void append_padded(const BatchEncoding& part, int32_t width, BatchEncoding& all) const {
    size_t start = 0;
    for (const int32_t length : part.lengths) {
      const auto count = static_cast<size_t>(length);
      const auto padding = static_cast<size_t>(std::max(width - length, 0));
      const auto add = [start, count, padding](auto& to, const auto& from, size_t width_of_one,
                                               auto pad) {
        const auto begin = from.begin() + static_cast<std::ptrdiff_t>(start * width_of_one);
        to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count * width_of_one));
        to.resize(to.size() + padding * width_of_one, pad);
      };
      add(all.ids, part.ids, 1, tokenizer_.pad_token_id());
      add(all.special_tokens_mask, part.special_tokens_mask, 1, uint8_t{1});
      if (options_.encode.type_ids) add(all.type_ids, part.type_ids, 1, 0);
      if (options_.encode.offsets) add(all.offsets, part.offsets, 2, 0);
      all.lengths.push_back(std::max(length, width));
      start += count;
    }
    all.unpadded_lengths.insert(all.unpadded_lengths.end(), part.lengths.begin(),
                                part.lengths.end());
    all.truncated.insert(all.truncated.end(), part.truncated.begin(), part.truncated.end());
  }

  const Tokenizer& tokenizer_;
  const std::vector<std::string>& texts_;
  const std::vector<std::string>* pairs_;
  const BatchOptions& options_;
  const std::atomic<bool>& stop_;

  std::vector<Part> parts_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;  // guards failure_ while threads work
  std::exception_ptr failure_;
};

}  // namespace

void BatchEncoding::append(const Encoding& encoding) {
  const auto add = [](auto& all, const auto& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  const auto length = static_cast<int32_t>(encoding.ids.size());
  lengths.push_back(length);
  unpadded_lengths.push_back(length);
  add(ids, encoding.ids);
  add(type_ids, encoding.type_ids);
  add(special_tokens_mask, encoding.special_tokens_mask);
  for (const auto& [start, end] : encoding.offsets) {
    offsets.push_back(start);
    offsets.push_back(end);
  }
  truncated.push_back(encoding.truncated ? 1 : 0);
}

std::optional<BatchEncoding> encode_batch(const Tokenizer& tokenizer,
                                          const std::vector<std::string>& texts,
                                          const std::vector<std::string>* pairs,
                                          const BatchOptions& options,
                                          const std::atomic<bool>& stopping) {
  return BatchEncoder(tokenizer, texts, pairs, options, stopping).encode();
}

}  // namespace bertcnn::text
