#include "text/normalizer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "text/unicode.h"
#include "text/utf.h"

namespace bertcnn::text {
namespace {

/// Writes a character, lower-cased where that is asked for.
class Writer {
 public:
  Writer(const NormalizerOptions& options, NormalizedText& out)
      : lowercase_(options.lowercase), out_(out) {}

  void write(char32_t c, uint16_t kind, Span span) {
    if (!lowercase_ || !(kind & kLowers)) {
      out_.append(c, span);
      return;
    }
    for (const char32_t lowered : lower_case(c)) out_.append(lowered, span);
  }

 private:
  bool lowercase_;
  NormalizedText& out_;
};

/// Strips accents without canonical ordering, which is right as long as every mark that could be
/// moved is also dropped. Almost every text is so. At the first other mark it gives up.
class PlainSink {
 public:
  PlainSink(const NormalizerOptions& options, NormalizedText& out)
      : strip_(options.strip_accents), writer_(options, out) {}

  bool put(char32_t c, uint16_t kind, Span span) {
    if (!strip_ || !(kind & (kDecomposes | kMark | kNonstarter))) {
      writer_.write(c, kind, span);
      return true;
    }
    if (!(kind & kDecomposes)) return put_part(c, kind, span);
    for (const char32_t part : decomposition(c)) {
      if (!put_part(part, properties(part), span)) return false;
    }
    return true;
  }

  void finish() {}

 private:
  bool put_part(char32_t part, uint16_t kind, Span span) {
    if (kind & kMark) return true;
    if (kind & kNonstarter) return false;
    writer_.write(part, kind, span);
    return true;
  }

  bool strip_;
  Writer writer_;
};

/// Strips accents after full canonical decomposition and ordering.
///
/// Hugging Face aligns by position: the nth character that stands for a source character gets the
/// span of the nth source character, whichever mark ordering has put there; the further characters
/// of a decomposition get the span of whatever stands before them.
class OrderingSink {
 public:
  OrderingSink(const NormalizerOptions& options, int32_t base, NormalizedText& out)
      : writer_(options, out), last_span_{base, base} {}

  bool put(char32_t c, uint16_t kind, Span span) {
    if (!(kind & kDecomposes)) {
      put_part(c, kind, span, true);
      return true;
    }
    bool first = true;
    for (const char32_t part : decomposition(c)) {
      put_part(part, properties(part), span, first);
      first = false;
    }
    return true;
  }

  void finish() {
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const Mark& a, const Mark& b) { return a.rank < b.rank; });
    size_t next_span = 0;
    for (const Mark& mark : marks_) {
      if (mark.has_span) last_span_ = spans_[next_span++];
      if (!(mark.kind & kMark)) writer_.write(mark.c, mark.kind, last_span_);
    }
    marks_.clear();
    spans_.clear();
  }

 private:
  struct Mark {
    char32_t c;
    uint16_t kind;
    uint8_t rank;
    bool has_span;  // stands for a source character, rather than being a further part of one
  };

  void put_part(char32_t c, uint16_t kind, Span span, bool has_span) {
    if (kind & kNonstarter) {
      marks_.push_back({c, kind, combining_rank(c), has_span});
      if (has_span) spans_.push_back(span);
      return;
    }
    finish();
    if (has_span) last_span_ = span;
    if (!(kind & kMark)) writer_.write(c, kind, last_span_);
  }

  Writer writer_;
  Span last_span_;
  std::vector<Mark> marks_;  // since the last starter
  std::vector<Span> spans_;  // of the source characters among them
};

}  // namespace

void NormalizedText::reset(int32_t base, bool with_spans) {
  size_ = 0;
  base_ = base;
  with_spans_ = with_spans;
  aligned_ = true;
}

char* NormalizedText::extend_aligned(size_t count) {
  reserve(count);
  return bytes_.get() + size_;
}

void NormalizedText::append(char32_t c, Span span) {
  reserve(4);
  if (aligned_) spell_out_spans();
  const uint32_t count = utf::encode(c, bytes_.get() + size_);
  if (with_spans_) std::fill_n(spans_.get() + size_, count, span);
  size_ += count;
}

void NormalizedText::reserve(size_t more) {
  if (capacity_ - size_ >= more) return;
  const size_t capacity = std::max(size_ + more, 2 * capacity_);
  auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ != 0) std::memcpy(bytes.get(), bytes_.get(), size_);
  bytes_ = std::move(bytes);
  if (spans_) {
    auto spans = std::make_unique_for_overwrite<Span[]>(capacity);
    if (!aligned_) std::copy_n(spans_.get(), size_, spans.get());
    spans_ = std::move(spans);
  }
  capacity_ = capacity;
}

void NormalizedText::spell_out_spans() {
  aligned_ = false;
  if (!with_spans_) return;
  if (!spans_) spans_ = std::make_unique_for_overwrite<Span[]>(capacity_);
  for (size_t i = 0; i < size_; ++i) {
    const auto start = base_ + static_cast<int32_t>(i);
    spans_[i] = {start, start + 1};
  }
}

Normalizer::Normalizer(const NormalizerOptions& options) : options_(options) {
  for (char32_t c = 1; c < 0x80; ++c) {
    const uint16_t kind = properties(c);
    auto becomes = static_cast<char>(c);
    if (options.clean_text && (kind & kSpace)) becomes = ' ';
    if (options.clean_text && (kind & kRemoved)) becomes = 0;
    if (options.lowercase && (kind & kLowers)) becomes = static_cast<char>(*lower_case(c).begin());
    ascii_[c] = becomes;
  }
}

void Normalizer::normalize(std::string_view source, int32_t base, bool with_spans,
                           NormalizedText& out) const {
  out.reset(base, with_spans);
  char* written = out.extend_aligned(source.size());
  size_t count = 0;
  while (count < source.size()) {
    const char becomes = ascii_[static_cast<uint8_t>(source[count])];
    if (becomes == 0) break;
    written[count++] = becomes;
  }
  out.commit_aligned(count);
  if (count == source.size()) return;

  PlainSink plain(options_, out);
  if (put_all(source.substr(count), base + static_cast<int32_t>(count), plain)) return;
  out.reset(base, with_spans);
  OrderingSink ordering(options_, base, out);
  put_all(source, base, ordering);
}

template <typename Sink>
bool Normalizer::put_all(std::string_view source, int32_t position, Sink& sink) const {
  const char* end = source.data() + source.size();
  for (const char* p = source.data(); p != end;) {
    if (const char becomes = ascii_[static_cast<uint8_t>(*p)]; becomes != 0) {
      sink.put(static_cast<char32_t>(becomes), 0, {position, position + 1});
      ++position;
      ++p;
      continue;
    }
    const auto [c, bytes] = utf::decode(p);
    const Span span{position, position + utf::units(c)};
    if (!put(c, span, sink)) return false;
    position = span.end;
    p += bytes;
  }
  sink.finish();
  return true;
}

template <typename Sink>
bool Normalizer::put(char32_t c, Span span, Sink& sink) const {
  const uint16_t kind = properties(c);
  if (options_.clean_text && (kind & kRemoved)) return true;
  if (options_.clean_text && (kind & kSpace)) return sink.put(U' ', kSpace, span);
  if (!options_.handle_chinese_chars || !(kind & kChinese)) return sink.put(c, kind, span);
  return sink.put(U' ', kSpace, span) && sink.put(c, kind, span) && sink.put(U' ', kSpace, span);
}

}  // namespace bertcnn::text
