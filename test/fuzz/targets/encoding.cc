// Any text by a good tokenizer. An input is a byte that chooses the tokenizer, two of options, and
// the text with, behind a byte 0xFF, its pair.
#include "../tokenizer.h"

#include <array>
#include <optional>

namespace bertcnn::fuzz {
namespace {

constexpr char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\n,\n.\n'\na\nb\nab\nA\n##a\n##b\n##ab\nfilm\n##s\ne\n"
    "é\n##é\nß\n中\n##文\nσ\nς\n\xCC\x81\n##\xCC\x81\n😀\n가\nᄀ\n##ᅡ\n12\n##3\n";

/// Everything that changes how a text is looked at: case, accents, Chinese characters, tokens that
/// take spaces, stand alone, or are looked for in the normalized text.
text::Tokenizer make_tokenizer(uint8_t choice) {
  const auto text_of_flag = [choice](int bit) {
    return (choice >> bit & 1) != 0 ? "true" : "false";
  };
  std::string config = std::string("{\"do_lower_case\": ") + text_of_flag(0) +
                       ", \"tokenize_chinese_chars\": " + text_of_flag(1) +
                       ", \"strip_accents\": " + ((choice & 4) != 0 ? "null" : text_of_flag(3));
  if ((choice & 16) != 0) {
    config +=
        R"(, "added_tokens_decoder": {
          "90": {"content": "<l>", "lstrip": true}, "91": {"content": "<r>", "rstrip": true},
          "92": {"content": "alone", "single_word": true, "normalized": false},
          "93": {"content": " b", "special": true}, "94": {"content": "Éa", "normalized": true},
          "95": {"content": "<r><r>", "lstrip": true, "rstrip": true, "normalized": false}})";
  }
  const TokenizerFolder folder;
  folder.write("vocab.txt", vocabulary);
  folder.write("tokenizer_config.json", config + "}");
  return folder.read();
}

const text::Tokenizer& tokenizer_for(uint8_t choice) {
  static auto* const made = new std::array<std::optional<text::Tokenizer>, 32>;
  std::optional<text::Tokenizer>& tokenizer = (*made)[choice % made->size()];
  if (!tokenizer) {
    tokenizer = make_tokenizer(choice);
  }
  return *tokenizer;
}

void check(const uint8_t* choices, std::string_view both) {
  const text::Tokenizer& tokenizer = tokenizer_for(choices[0]);
  const text::EncodeOptions options = encode_options(choices[1], choices[2]);
  const size_t border = std::min(both.find('\xFF'), both.size());
  // Copies without a zero at their ends, so that the sanitizer sees a byte that is read behind
  // them.
  const std::vector<char> copies[] = {
      {both.begin(), both.begin() + static_cast<std::ptrdiff_t>(border)},
      {both.begin() + static_cast<std::ptrdiff_t>(std::min(border + 1, both.size())), both.end()}};
  const std::string_view first(copies[0].data(), copies[0].size());
  const std::string_view second(copies[1].data(), copies[1].size());
  // 8 bytes a token and offset, a few times while vectors grow, for a character each.
  const MemoryLimit limit((size_t{1} << 16) + 256 * both.size());
  check_tokenizer(tokenizer, options, first, second);

  const text::Encoding encoding = tokenizer.encode(first, options);
  for (const int32_t id : encoding.ids) {
    require(static_cast<size_t>(id) < tokenizer.vocab_size(), "an id is in the vocabulary");
  }
  const text::Encoding repaired = tokenizer.encode(text::utf::replace_invalid(first), options);
  require(encoding.ids == repaired.ids && encoding.offsets == repaired.offsets,
          "bytes that are not UTF-8 count as U+FFFD");
}

}  // namespace
}  // namespace bertcnn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t choices = 3;
  if (size >= choices) {
    bertcnn::fuzz::check(data, bertcnn::fuzz::text_of(data + choices, size - choices));
  }
  return 0;
}
