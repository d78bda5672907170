// A tokenizer's files. An input is two bytes of options, then, each behind a byte 0xFF: the files
// in the order of `names`, a text and its pair.
#include "../tokenizer.h"

#include <array>

namespace bertcnn::fuzz {
namespace {

constexpr std::array<const char*, 5> names = {"tokenizer.json", "vocab.txt",
                                              "tokenizer_config.json", "special_tokens_map.json",
                                              "added_tokens.json"};

/// Takes what comes before the next separator off `rest`.
std::string_view take_part(std::string_view& rest) {
  const size_t length = std::min(rest.find('\xFF'), rest.size());
  const std::string_view part = rest.substr(0, length);
  rest.remove_prefix(std::min(length + 1, rest.size()));
  return part;
}

void check(uint8_t flags, uint8_t length, std::string_view rest) {
  static const TokenizerFolder folder;
  const size_t size = rest.size();
  for (const char* const name : names) {
    folder.write(name, take_part(rest));
  }
  const std::string_view first = take_part(rest);
  const std::string_view second = take_part(rest);
  reads({"ERR_FILE_NOT_FOUND", "ERR_INVALID_JSON", "ERR_TOKENIZER_FORMAT"}, [&] {
    // A trie of few tokens takes as much as one of some hundreds.
    const MemoryLimit limit((size_t{1} << 16) + 256 * size);
    check_tokenizer(folder.read(), encode_options(flags, length), first, second);
  });
}

}  // namespace
}  // namespace bertcnn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 2) {
    bertcnn::fuzz::check(data[0], data[1], bertcnn::fuzz::text_of(data + 2, size - 2));
  }
  return 0;
}
