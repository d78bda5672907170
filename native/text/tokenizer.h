// BERT's WordPiece tokenizer: UTF-8 in, ids and offsets out. No tensors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bertcnn::text {

/// Which text gives up tokens when a pair is too long. A single text is always cut at its end.
enum class Truncation {
  kLongestFirst,  ///< the longer text, until both are equally long; then both alike
  kOnlyFirst,     ///< the first text
  kOnlySecond,    ///< the second text
};

struct EncodeOptions {
  /// Whether `[CLS]` and `[SEP]` are put around the text.
  bool add_special_tokens = true;
  /// The most tokens a result may have, special tokens included.
  size_t max_length = SIZE_MAX;
  /// Whether `Encoding::offsets` is filled.
  bool offsets = true;
  /// Whether `Encoding::type_ids` is filled.
  bool type_ids = true;
  Truncation truncation = Truncation::kLongestFirst;
};

/// One encoded text or pair; all vectors have one entry a token, save for those not asked for.
struct Encoding {
  std::vector<int32_t> ids;
  /// 0 for the first text and the special tokens around it, 1 for the second. Empty when not asked
  /// for.
  std::vector<int32_t> type_ids;
  /// 1 for a token that the tokenizer added, 0 for one that came from a text.
  std::vector<uint8_t> special_tokens_mask;
  /// The source span of each token, `[start, end)` in UTF-16 units of the token's own text; (0, 0)
  /// for an added token. Several tokens can share one span. Empty when not asked for.
  std::vector<std::pair<int32_t, int32_t>> offsets;
  /// Whether tokens were dropped to keep to `max_length`.
  bool truncated = false;
};

/// A file as it was read.
struct SourceFile {
  std::string name;
  std::string bytes;
};

/// A WordPiece tokenizer that gives what Hugging Face's `BertTokenizerFast` gives. Immutable, cheap
/// to copy (copies share one state) and safe to use from several threads at once.
class Tokenizer {
 public:
  /// Reads `tokenizer.json` where `directory` has one, else `vocab.txt` with the settings of
  /// `bert-base-uncased`. What `tokenizer_config.json` states (`do_lower_case`, `strip_accents`,
  /// `tokenize_chinese_chars`, special tokens) wins over both, as it does in `BertTokenizerFast`;
  /// `special_tokens_map.json` and `added_tokens.json` are read where they are there. Truncation
  /// and padding settings inside `tokenizer.json` are ignored. Errors: `ERR_FILE_NOT_FOUND` without
  /// either file, `ERR_INVALID_JSON`, `ERR_TOKENIZER_FORMAT` for a tokenizer that is not BERT's
  /// WordPiece, or a vocabulary that lacks a special token.
  static Tokenizer from_directory(const std::string& directory);

  /// Encodes one text as `[CLS] text [SEP]`. Bytes that are not UTF-8 count as U+FFFD; nothing in a
  /// text is an error. A `max_length` too small for the special tokens is kept to all the same: the
  /// text gives no token and the special tokens are cut at their end (1: `[CLS]`, 0: nothing).
  Encoding encode(std::string_view utf8, const EncodeOptions& options) const;

  /// Encodes a pair as `[CLS] text [SEP] pair [SEP]`. Otherwise as `encode`. Where `kOnlyFirst` or
  /// `kOnlySecond` names a text too short to give up enough, it gives up all its tokens and the
  /// result is then cut as by `kLongestFirst`.
  Encoding encode_pair(std::string_view utf8, std::string_view pair_utf8,
                       const EncodeOptions& options) const;

  /// The text of `ids`, as Hugging Face's WordPiece decoder joins it: `##` pieces are attached and,
  /// unless `tokenizer.json` says otherwise, the spaces before punctuation are removed. Ids outside
  /// the vocabulary are left out.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens) const;

  std::optional<int32_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(int32_t id) const;

  /// The number of tokens, added tokens included.
  size_t vocab_size() const;

  /// `model_max_length` of `tokenizer_config.json`; none where it is missing or Hugging Face's
  /// "very large integer".
  std::optional<int64_t> model_max_length() const;

  int32_t pad_token_id() const;
  /// None where there is no mask token.
  std::optional<int32_t> mask_token_id() const;
  /// Those of all special tokens, ascending.
  std::vector<int32_t> special_token_ids() const;

  /// The tokenizer's own files as read (`tokenizer.json`, `vocab.txt`, `tokenizer_config.json`,
  /// `special_tokens_map.json`, `added_tokens.json`; those that are there), to be written beside a
  /// saved model.
  const std::vector<SourceFile>& files() const;

 private:
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state);

  std::shared_ptr<const State> state_;
};

}  // namespace bertcnn::text
