#include "text/normalizer.h"

#include <gtest/gtest.h>

#include <string>

#include "text/utf.h"

namespace bertcnn::text {
namespace {

/// The normalized text with each character's source span, as "c[start,end)" one after another.
std::string normalized(const NormalizerOptions& options, std::string_view source,
                       int32_t base = 0) {
  NormalizedText text;
  Normalizer(options).normalize(source, base, true, text);
  const std::string_view view = text.view();
  std::string written;
  for (size_t at = 0; at < view.size();) {
    const size_t next = at + utf::decode(view.data() + at).bytes;
    const Span span = text.span(at, next);
    written += std::string(view.substr(at, next - at)) + "[" + std::to_string(span.start) + "," +
               std::to_string(span.end) + ")";
    at = next;
  }
  return written;
}

constexpr NormalizerOptions kUncased{};
constexpr NormalizerOptions kNothing{false, false, false, false};
constexpr NormalizerOptions kLowerOnly{false, false, false, true};
constexpr NormalizerOptions kStripOnly{false, false, true, false};

TEST(Normalizer, LowersAsciiAndKeepsPositions) {
  EXPECT_EQ(normalized(kUncased, "aB\tc"), "a[0,1)b[1,2) [2,3)c[3,4)");
  EXPECT_EQ(normalized(kUncased, "aB", 10), "a[10,11)b[11,12)");
}

TEST(Normalizer, CountsPositionsInUtf16Units) {
  EXPECT_EQ(normalized(kUncased, "😀aé"), "😀[0,2)a[2,3)e[3,4)");
}

TEST(Normalizer, DropsControlsAndReplacementCharacters) {
  EXPECT_EQ(normalized(kUncased, std::string_view("a\0b\xEF\xBF\xBD"
                                                  "c\xE2\x80\x8B"
                                                  "d",
                                                  11)),
            "a[0,1)b[2,3)c[4,5)d[6,7)");
}

TEST(Normalizer, SetsChineseCharactersApart) {
  EXPECT_EQ(normalized(kUncased, "a電"), "a[0,1) [1,2)電[1,2) [1,2)");
}

TEST(Normalizer, GivesAllThatOneCharacterBecomesItsSpan) {
  EXPECT_EQ(normalized(kLowerOnly, "xİ"), "x[0,1)i[1,2)\u0307[1,2)");
  EXPECT_EQ(normalized(kStripOnly, "x각"), "x[0,1)\u1100[1,2)\u1161[1,2)\u11A8[1,2)");
}

TEST(Normalizer, StripsNonspacingMarks) {
  EXPECT_EQ(normalized(kStripOnly, "É e\u0301\u0327 \u0301"), "E[0,1) [1,2)e[2,3) [5,6)");
}

TEST(Normalizer, AlignsReorderedMarksByPosition) {
  // U+302E and U+302F are marks of class 224 that stripping keeps; U+0301 has class 230 and goes.
  EXPECT_EQ(normalized(kStripOnly, "a\u0301\u302E"), "a[0,1)\u302E[1,2)");
  EXPECT_EQ(normalized(kStripOnly, "é\u302E"), "e[0,1)\u302E[1,2)");
  EXPECT_EQ(normalized(kStripOnly, "a\u302E\u0301"), "a[0,1)\u302E[1,2)");
}

TEST(Normalizer, OrdersMarksOnlyWithinTheirRun) {
  EXPECT_EQ(normalized(kStripOnly, "a\u0301b\u302E"), "a[0,1)b[2,3)\u302E[3,4)");
}

TEST(Normalizer, LeavesTextAloneWhereNothingIsAskedFor) {
  EXPECT_EQ(normalized(kNothing, "A\x01\tÉ電"), "A[0,1)\x01[1,2)\t[2,3)É[3,4)電[4,5)");
}

TEST(Normalizer, TakesAMillionMarksInARow) {
  std::string text = "a";
  for (int i = 0; i < 500000; ++i) text += "\u0301\u302E";
  NormalizedText out;
  Normalizer(kStripOnly).normalize(text, 0, true, out);
  EXPECT_EQ(out.view().size(), 1u + 500000u * 3);
}

TEST(NormalizedText, IsReusedFromTextToText) {
  const Normalizer normalizer(kUncased);
  NormalizedText out;
  normalizer.normalize("電é", 0, true, out);
  normalizer.normalize("Plain", 3, true, out);
  EXPECT_EQ(out.view(), "plain");
  EXPECT_EQ(out.span(1, 3).start, 4);
  normalizer.normalize("É", 0, false, out);
  EXPECT_EQ(out.view(), "e");
}

}  // namespace
}  // namespace bertcnn::text
