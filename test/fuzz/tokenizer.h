// A tokenizer's files, and what must hold of every encoding.
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "support.h"
#include "text/tokenizer.h"
#include "text/utf.h"

namespace bertcnn::fuzz {

/// A folder for a tokenizer's files, called `file_name`, inside one that goes when the process
/// ends.
class TokenizerFolder {
 public:
  TokenizerFolder() {
    std::string outer = (std::filesystem::temp_directory_path() / "bertcnn-fuzz-XXXXXX").string();
    require(::mkdtemp(outer.data()) != nullptr, "there is a place for temporary files");
    outer_ = outer;
    std::filesystem::create_directory(path());
  }
  TokenizerFolder(const TokenizerFolder&) = delete;
  TokenizerFolder& operator=(const TokenizerFolder&) = delete;
  ~TokenizerFolder() { std::filesystem::remove_all(outer_); }

  std::filesystem::path path() const { return outer_ / file_name; }

  /// An empty one is removed.
  void write(const char* name, std::string_view bytes) const {
    if (bytes.empty()) {
      std::filesystem::remove(path() / name);
    } else {
      std::ofstream(path() / name, std::ios::binary) << bytes;
    }
  }

  text::Tokenizer read() const { return text::Tokenizer::from_directory(path().string()); }

 private:
  std::filesystem::path outer_;
};

/// Takes `options` from two bytes of an input.
inline text::EncodeOptions encode_options(uint8_t flags, uint8_t length) {
  text::EncodeOptions options;
  options.add_special_tokens = (flags & 1) != 0;
  options.offsets = (flags & 2) != 0;
  options.type_ids = (flags & 4) != 0;
  options.truncation = static_cast<text::Truncation>((flags >> 3) % 3);
  if (length != 255) {
    options.max_length = length;
  }
  return options;
}

/// `second` is empty where there is no pair.
inline void check_encoding(const text::Encoding& encoding, const text::EncodeOptions& options,
                           std::string_view first, std::string_view second) {
  const size_t count = encoding.ids.size();
  require(count <= options.max_length, "an encoding keeps to its length");
  require(encoding.special_tokens_mask.size() == count, "the mask has an entry a token");
  require(encoding.type_ids.size() == (options.type_ids ? count : 0), "so have type ids");
  require(encoding.offsets.size() == (options.offsets ? count : 0), "so have offsets");
  require(std::all_of(encoding.ids.begin(), encoding.ids.end(), [](int32_t id) { return id >= 0; }),
          "ids are not negative");
  if (!options.offsets || !options.type_ids) {
    return;
  }
  const int32_t units[] = {text::utf::utf16_length(text::utf::replace_invalid(first)),
                           text::utf::utf16_length(text::utf::replace_invalid(second))};
  for (size_t i = 0; i < count; ++i) {
    const auto [start, end] = encoding.offsets[i];
    require(encoding.type_ids[i] == 0 || encoding.type_ids[i] == 1, "a type id is 0 or 1");
    require(0 <= start && start <= end && end <= units[encoding.type_ids[i]],
            "a token lies in its text");
    require(encoding.special_tokens_mask[i] == 0 || end == 0, "special tokens lie nowhere");
  }
}

/// What is left of `tokenizer`'s tokens of `first` is the start of all of them.
inline void check_truncation(const text::Tokenizer& tokenizer, std::string_view first,
                             const text::Encoding& encoding, const text::EncodeOptions& options) {
  if (options.add_special_tokens) {
    return;
  }
  text::EncodeOptions unlimited = options;
  unlimited.max_length = SIZE_MAX;
  const std::vector<int32_t> all = tokenizer.encode(first, unlimited).ids;
  require(encoding.ids.size() == std::min(all.size(), options.max_length) &&
              std::equal(encoding.ids.begin(), encoding.ids.end(), all.begin()),
          "a text is cut at its end");
  require(encoding.truncated == (all.size() > options.max_length), "it is known whether it was");
}

/// Encodes `first` alone and with `second`, and decodes what that gives.
inline void check_tokenizer(const text::Tokenizer& tokenizer, const text::EncodeOptions& options,
                            std::string_view first, std::string_view second) {
  const text::Encoding single = tokenizer.encode(first, options);
  check_encoding(single, options, first, "");
  check_truncation(tokenizer, first, single, options);
  const text::Encoding pair = tokenizer.encode_pair(first, second, options);
  check_encoding(pair, options, first, second);
  for (const bool skip_special_tokens : {false, true}) {
    require(json::is_utf8(tokenizer.decode(pair.ids, skip_special_tokens)), "a text is UTF-8");
  }
}

}  // namespace bertcnn::fuzz
