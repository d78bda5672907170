// BERT's normalizer: cleans, sets Chinese characters apart, strips accents, lower-cases; and keeps
// the source span of every byte that it writes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace bertcnn::text {

/// A place in the source, `[start, end)` in UTF-16 units.
struct Span {
  int32_t start = 0;
  int32_t end = 0;
};

/// Normalized UTF-8 text with the source span of each byte. Kept for reuse: it never shrinks.
class NormalizedText {
 public:
  /// Empties it. `base`: the source position of the first character; `with_spans`: whether `span`
  /// will be asked for.
  void reset(int32_t base, bool with_spans);

  std::string_view view() const { return {bytes_.get(), size_}; }

  /// The source span of the bytes `[first, last)`, which are whole characters and not empty.
  Span span(size_t first, size_t last) const {
    if (aligned_) return {base_ + static_cast<int32_t>(first), base_ + static_cast<int32_t>(last)};
    return {spans_[first].start, spans_[last - 1].end};
  }

  /// Room for `count` ASCII characters that stand in the source one for one, at the end of a text
  /// that has only such characters. The caller writes them, then `commit`s how many.
  char* extend_aligned(size_t count);
  void commit_aligned(size_t count) { size_ += count; }

  void append(char32_t c, Span span);

 private:
  void reserve(size_t more);
  void spell_out_spans();

  std::unique_ptr<char[]> bytes_;
  std::unique_ptr<Span[]> spans_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  int32_t base_ = 0;
  bool with_spans_ = false;
  /// Whether byte i is source position base_ + i, so that no span is written down.
  bool aligned_ = true;
};

struct NormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

/// Does what Hugging Face's `BertNormalizer` does, spans included. Immutable.
class Normalizer {
 public:
  explicit Normalizer(const NormalizerOptions& options);

  /// Normalizes `source` (valid UTF-8), whose first character is at UTF-16 position `base`.
  void normalize(std::string_view source, int32_t base, bool with_spans, NormalizedText& out) const;

 private:
  template <typename Sink>
  bool put_all(std::string_view source, int32_t position, Sink& sink) const;
  template <typename Sink>
  bool put(char32_t c, Span span, Sink& sink) const;

  NormalizerOptions options_;
  /// What each ASCII character becomes; 0 for one that is removed, and for bytes above 0x7F.
  std::array<char, 256> ascii_{};
};

}  // namespace bertcnn::text
