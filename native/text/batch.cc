#include "text/batch.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>

#include "error.h"
#include "text/packed.h"

namespace bertcnn::text {
namespace {

/// Texts that one thread encodes before it takes more: a fraction of a millisecond's work, so that
/// threads end together, and far more than the taking costs.
constexpr size_t kPartBytes = 32 << 10;

/// The texts `[first, last)` and what became of them.
struct Part {
  size_t first = 0, last = 0;
  std::vector<Encoding> encoded;  // where their width is not known yet
  PackedEncodings packed;
};

class BatchEncoder {
 public:
  BatchEncoder(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
               const std::vector<std::string>* pairs, const BatchOptions& options,
               const std::atomic<bool>& stopping)
      : tokenizer_(tokenizer), texts_(texts), pairs_(pairs), options_(options), stop_(stopping) {
    divide();
  }

  std::optional<std::vector<PackedEncodings>> encode() {
    check_width(options_.pad_length);
    work_together();
    if (failure_) std::rethrow_exception(failure_);
    if (stop_) return std::nullopt;
    if (options_.pad_to_longest) pack_to_longest();
    std::vector<PackedEncodings> all;
    all.reserve(parts_.size());
    for (Part& part : parts_) all.push_back(std::move(part.packed));
    return all;
  }

 private:
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
      Encoding encoding = pairs_ ? tokenizer_.encode_pair(texts_[i], (*pairs_)[i], options_.encode)
                                 : tokenizer_.encode(texts_[i], options_.encode);
      if (options_.pad_to_longest) {
        part.encoded.push_back(std::move(encoding));
      } else {
        pack(encoding, options_.pad_length, part.packed);
      }
    }
    return true;
  }

  void pack_to_longest() {
    size_t width = options_.pad_length;
    for (const Part& part : parts_) {
      for (const Encoding& encoding : part.encoded) width = std::max(width, encoding.ids.size());
    }
    check_width(width);
    for (Part& part : parts_) {
      for (const Encoding& encoding : part.encoded) pack(encoding, width, part.packed);
      part.encoded = {};
    }
  }

  void pack(const Encoding& encoding, size_t width, PackedEncodings& to) const {
    const Packed packed(encoding, width, options_.encode);
    const size_t before = to.size();
    to.resize(before + packed.size());
    packed.write(to.data() + before, tokenizer_.pad_token_id());
  }

  void check_width(size_t width) const {
    constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int32_t>::max());
    if (texts_.empty() || width <= kMost / texts_.size()) return;
    fail("ERR_INVALID_ARGUMENT", "Expected padding to give at most ", kMost, " tokens, but ",
         texts_.size(), " texts of ", width, " tokens are more");
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

std::optional<std::vector<PackedEncodings>> encode_batch(const Tokenizer& tokenizer,
                                                         const std::vector<std::string>& texts,
                                                         const std::vector<std::string>* pairs,
                                                         const BatchOptions& options,
                                                         const std::atomic<bool>& stopping) {
  return BatchEncoder(tokenizer, texts, pairs, options, stopping).encode();
}

}  // namespace bertcnn::text
