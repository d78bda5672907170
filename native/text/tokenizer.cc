#include "text/tokenizer.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "text/decoder.h"
#include "text/text_encoder.h"
#include "text/tokenizer_files.h"
#include "text/truncation.h"

namespace bertcnn::text {
namespace {

/// What decoding shows for an id.
struct IdToken {
  int32_t id;
  bool special;
  const std::string* text;
};

}  // namespace

struct Tokenizer::State {
  explicit State(TokenizerDefinition read);

  /// Null for an id without a token.
  const IdToken* find(int32_t id) const;

  TokenizerDefinition definition;
  TextRules rules;
  std::unordered_map<std::string_view, int32_t> added_ids;
  std::vector<IdToken> tokens;  // by id; no table, as a small file may state large ids
  size_t vocab_size = 0;

 private:
  void find_added_tokens();
  void number_tokens();
};

Tokenizer::State::State(TokenizerDefinition read)
    : definition(std::move(read)),
      rules{Normalizer(definition.normalizer),
            WordPiece(definition.vocabulary, definition.wordpiece),
            {},
            {}} {
  find_added_tokens();
  number_tokens();
}

void Tokenizer::State::find_added_tokens() {
  NormalizedText normalized;
  for (AddedToken& token : definition.added_tokens) {
    token.form = token.content;
    if (!token.normalized) continue;
    rules.normalizer.normalize(token.content, 0, false, normalized);
    token.form = normalized.view();
  }
  std::vector<const AddedToken*> as_written, as_normalized;
  for (const bool special : {true, false}) {  // of two equal forms, the special token's counts
    for (const AddedToken& token : definition.added_tokens) {
      if (token.special != special) continue;
      (token.normalized ? as_normalized : as_written).push_back(&token);
    }
  }
  rules.raw_finder = AddedTokenFinder(std::move(as_written));
  rules.normalized_finder = AddedTokenFinder(std::move(as_normalized));
}

void Tokenizer::State::number_tokens() {
  vocab_size = definition.vocabulary.size();
  for (const auto& [token, id] : definition.vocabulary) tokens.push_back({id, false, &token});

  std::unordered_set<std::string_view> special_contents;
  for (const AddedToken& token : definition.added_tokens) {
    if (token.special) special_contents.insert(token.content);
  }
  for (const AddedToken& token : definition.added_tokens) {
    vocab_size += rules.wordpiece.find(token.content) == Trie::kNoId;
    added_ids.emplace(token.content, token.id);
    // Hugging Face looks the form up among the special tokens' contents.
    tokens.push_back({token.id, special_contents.contains(token.form), &token.form});
  }
  // Of several with one id the last counts.
  std::reverse(tokens.begin(), tokens.end());
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const IdToken& a, const IdToken& b) { return a.id < b.id; });
  tokens.erase(std::unique(tokens.begin(), tokens.end(),
                           [](const IdToken& a, const IdToken& b) { return a.id == b.id; }),
               tokens.end());
  tokens.shrink_to_fit();
}

const IdToken* Tokenizer::State::find(int32_t id) const {
  // Nearly every vocabulary numbers its tokens without gaps.
  if (const auto at = static_cast<size_t>(id); at < tokens.size() && tokens[at].id == id) {
    return &tokens[at];
  }
  const auto found =
      std::lower_bound(tokens.begin(), tokens.end(), id,
                       [](const IdToken& token, int32_t wanted) { return token.id < wanted; });
  return found != tokens.end() && found->id == id ? &*found : nullptr;
}

namespace {

/// Cuts special tokens for which `max_length` has no room.
void cut(Encoding& encoding, size_t max_length) {
  if (encoding.ids.size() <= max_length) return;
  encoding.ids.resize(max_length);
  encoding.special_tokens_mask.resize(max_length);
  if (!encoding.type_ids.empty()) encoding.type_ids.resize(max_length);
  if (!encoding.offsets.empty()) encoding.offsets.resize(max_length);
  encoding.truncated = true;
}

/// Puts the `Encoding` of a pair together.
class Assembler {
 public:
  Assembler(size_t count, const EncodeOptions& options)
      : with_offsets_(options.offsets), with_type_ids_(options.type_ids) {
    encoding_.ids.reserve(count);
    if (with_type_ids_) encoding_.type_ids.reserve(count);
    encoding_.special_tokens_mask.reserve(count);
    if (with_offsets_) encoding_.offsets.reserve(count);
  }

  void add_special(int32_t id, int32_t type) {
    encoding_.ids.push_back(id);
    if (with_type_ids_) encoding_.type_ids.push_back(type);
    encoding_.special_tokens_mask.push_back(1);
    if (with_offsets_) encoding_.offsets.emplace_back(0, 0);
  }

  /// The first `count` tokens of a text.
  void add_text(const TextTokens& tokens, size_t count, int32_t type) {
    const auto length = static_cast<std::ptrdiff_t>(count);
    encoding_.ids.insert(encoding_.ids.end(), tokens.ids.begin(), tokens.ids.begin() + length);
    if (with_type_ids_) encoding_.type_ids.resize(encoding_.type_ids.size() + count, type);
    encoding_.special_tokens_mask.resize(encoding_.special_tokens_mask.size() + count, 0);
    if (with_offsets_) {
      encoding_.offsets.insert(encoding_.offsets.end(), tokens.offsets.begin(),
                               tokens.offsets.begin() + length);
    }
    encoding_.truncated |= count < tokens.ids.size();
  }

  Encoding finish(size_t max_length) {
    cut(encoding_, max_length);
    return std::move(encoding_);
  }

 private:
  const bool with_offsets_, with_type_ids_;
  Encoding encoding_;
};

/// The room that `max_length` leaves beside `special` special tokens.
size_t room(const EncodeOptions& options, size_t special) {
  if (!options.add_special_tokens) return options.max_length;
  return options.max_length - std::min(options.max_length, special);
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Tokenizer Tokenizer::from_directory(const std::string& directory) {
  return Tokenizer(std::make_shared<const State>(read_tokenizer(directory)));
}

Encoding Tokenizer::encode(std::string_view utf8, const EncodeOptions& options) const {
  const size_t most = room(options, 2);
  const size_t frame = options.add_special_tokens ? 1 : 0;  // at each end
  // One token too many tells that the text was cut; the rest of a long text need not be read.
  const size_t enough = most == SIZE_MAX ? most : frame + most + 1;
  TextTokens tokens;
  tokens.reserve(utf8.size(), options.offsets, enough);
  if (options.add_special_tokens) {
    tokens.ids.push_back(state_->definition.cls_id);
    if (options.offsets) tokens.offsets.emplace_back(0, 0);
  }
  encode_text(state_->rules, utf8, options.offsets, enough, tokens);

  Encoding encoding{.ids = std::move(tokens.ids), .offsets = std::move(tokens.offsets)};
  encoding.truncated = encoding.ids.size() - frame > most;
  if (encoding.truncated) {
    encoding.ids.resize(frame + most);
    if (options.offsets) encoding.offsets.resize(frame + most);
  }
  encoding.special_tokens_mask.assign(encoding.ids.size() + frame, 0);
  if (options.add_special_tokens) {
    encoding.ids.push_back(state_->definition.sep_id);
    if (options.offsets) encoding.offsets.emplace_back(0, 0);
    encoding.special_tokens_mask.front() = encoding.special_tokens_mask.back() = 1;
  }
  if (options.type_ids) encoding.type_ids.assign(encoding.ids.size(), 0);
  cut(encoding, options.max_length);
  return encoding;
}

Encoding Tokenizer::encode_pair(std::string_view utf8, std::string_view pair_utf8,
                                const EncodeOptions& options) const {
  // Both are read to their ends: which of two over-long texts is longer decides who gets an odd
  // token.
  TextTokens text, pair;
  text.reserve(utf8.size(), options.offsets, SIZE_MAX);
  pair.reserve(pair_utf8.size(), options.offsets, SIZE_MAX);
  encode_text(state_->rules, utf8, options.offsets, SIZE_MAX, text);
  encode_text(state_->rules, pair_utf8, options.offsets, SIZE_MAX, pair);
  const PairLengths keep =
      truncate_pair({text.ids.size(), pair.ids.size()}, room(options, 3), options.truncation);

  Assembler assembler(keep.first + keep.second + 3, options);
  if (options.add_special_tokens) assembler.add_special(state_->definition.cls_id, 0);
  assembler.add_text(text, keep.first, 0);
  if (options.add_special_tokens) assembler.add_special(state_->definition.sep_id, 0);
  assembler.add_text(pair, keep.second, 1);
  if (options.add_special_tokens) assembler.add_special(state_->definition.sep_id, 1);
  return assembler.finish(options.max_length);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string_view> tokens;
  for (const int32_t id : ids) {
    const IdToken* token = state_->find(id);
    if (token == nullptr || (skip_special_tokens && token->special)) continue;
    tokens.push_back(*token->text);
  }
  return join_tokens(tokens, state_->definition.decoder);
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  const auto added = state_->added_ids.find(token);
  if (added != state_->added_ids.end()) return added->second;
  const int32_t id = state_->rules.wordpiece.find(token);
  return id == Trie::kNoId ? std::nullopt : std::optional<int32_t>(id);
}

std::optional<std::string> Tokenizer::id_to_token(int32_t id) const {
  const IdToken* token = state_->find(id);
  return token == nullptr ? std::nullopt : std::optional<std::string>(*token->text);
}

size_t Tokenizer::vocab_size() const {
  return state_->vocab_size;
}

std::optional<int64_t> Tokenizer::model_max_length() const {
  return state_->definition.model_max_length;
}

int32_t Tokenizer::pad_token_id() const {
  return state_->definition.pad_id;
}

std::optional<int32_t> Tokenizer::mask_token_id() const {
  return state_->definition.mask_id;
}

std::vector<int32_t> Tokenizer::special_token_ids() const {
  std::vector<int32_t> ids;
  for (const IdToken& token : state_->tokens) {
    if (token.special) ids.push_back(token.id);
  }
  return ids;
}

const std::vector<SourceFile>& Tokenizer::files() const {
  return state_->definition.files;
}

}  // namespace bertcnn::text
