#include "text/tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <unordered_map>

#include "error.h"
#include "read_file.h"
#include "text/added_token_list.h"
#include "text/json_fields.h"
#include "text/special_tokens.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"
#include "text/utf.h"

namespace bertcnn::text {
namespace {

namespace fs = std::filesystem;

/// Files in use (of multilingual vocabularies) are below 10 MB. A JSON text takes up to 35 times
/// its size as a tree, so that at this limit, too, a server has the memory.
constexpr size_t kLargestFile = size_t{64} << 20;
// As for tokenizer.json.
constexpr size_t kMostTokens = 1 << 24;

/// The bytes of a file, or nothing where there is no such file.
std::optional<std::string> read_file(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error) && !error) return std::nullopt;
  return read_regular_file(path.string(), kLargestFile);
}

/// Reads the files of a directory and keeps what it has read.
class FileReader {
 public:
  explicit FileReader(const std::string& directory) : directory_(directory) {}

  /// Null where there is no such file. Valid until the next call.
  const std::string* read(const std::string& name) {
    std::optional<std::string> bytes = read_file(directory_ / name);
    if (!bytes) return nullptr;
    files_.push_back({name, std::move(*bytes)});
    return &files_.back().bytes;
  }

  std::optional<json::Value> read_json(const std::string& name) {
    const std::string* bytes = read(name);
    if (bytes == nullptr) return std::nullopt;
    return json::parse(*bytes, path(name));
  }

  /// An object; an empty one where there is no such file.
  json::Value read_object(const std::string& name) {
    json::Value value = read_json(name).value_or(json::Object{});
    const JsonFields object(value, path(name));  // throws where it is no object
    return value;
  }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::vector<SourceFile> take() { return std::move(files_); }

 private:
  fs::path directory_;
  std::vector<SourceFile> files_;
};

std::string_view trim_end(std::string_view line) {
  while (!line.empty()) {
    const utf::Decoded last = utf::decode_before(line.data() + line.size());
    if (!(properties(last.c) & kSpace)) break;
    line.remove_suffix(last.bytes);
  }
  return line;
}

/// The tokens of a vocab.txt: a line's number is its token's id. Of equal lines the last counts, as
/// in Hugging Face's reader, and white space at the ends of lines does not.
std::vector<std::pair<std::string, int32_t>> read_vocabulary(std::string_view text,
                                                             const std::string& source) {
  if (!utf::is_valid(text)) fail("ERR_TOKENIZER_FORMAT", source, " is not UTF-8");
  std::vector<std::pair<std::string, int32_t>> vocabulary;
  std::unordered_map<std::string_view, size_t> places;
  int32_t id = 0;
  for (size_t start = 0; start < text.size(); ++id) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view token = trim_end(text.substr(start, end - start));
    const auto [place, is_new] = places.emplace(token, vocabulary.size());
    if (is_new) {
      vocabulary.emplace_back(token, id);
    } else {
      vocabulary[place->second].second = id;
    }
    start = end + 1;
    if (vocabulary.size() > kMostTokens) {
      fail("ERR_TOKENIZER_FORMAT", source, " has more than ", kMostTokens, " tokens");
    }
  }
  return vocabulary;
}

/// The settings that tokenizer_config.json states win over those of tokenizer.json, as they do in
/// `BertTokenizerFast`.
void apply_settings(const JsonFields& config, NormalizerSettings& settings) {
  settings.lowercase = config.flag("do_lower_case", settings.lowercase);
  settings.handle_chinese_chars =
      config.flag("tokenize_chinese_chars", settings.handle_chinese_chars);
  const json::Value* strip = config.value().find("strip_accents");
  if (strip == nullptr) return;
  settings.strip_accents.reset();
  if (!strip->is_null()) settings.strip_accents = config.flag("strip_accents");
}

/// The id of a token that a BERT tokenizer must have.
int32_t needed_id(const TokenizerDefinition& definition, const std::string& token,
                  const std::string& source) {
  for (const auto& [known, id] : definition.vocabulary) {
    if (known == token) return id;
  }
  fail("ERR_TOKENIZER_FORMAT", source, " has no token ", token,
       ", which a BERT tokenizer needs; is it a BERT vocabulary, and does tokenizer_config.json "
       "name ",
       "the right special tokens?");
}

/// The added tokens with their ids; among them the pad and the mask token. (Where there is none,
/// the pad id stays what `padding` of tokenizer.json says, or 0.)
void find_added_tokens(const SpecialTokens& special, TokenizerDefinition& definition) {
  AddedTokenList list(definition.vocabulary);
  for (AddedToken& token : definition.added_tokens) list.add(std::move(token));
  special.add_to(list);
  definition.added_tokens = list.take();
  const std::string pad = special.named("pad_token", "[PAD]").content;
  const std::string mask = special.named("mask_token", "[MASK]").content;
  for (const AddedToken& token : definition.added_tokens) {
    if (token.content == pad) definition.pad_id = token.id;
    if (token.content == mask) definition.mask_id = token.id;
  }
}

/// Hugging Face writes 1e30 where a tokenizer has no limit.
std::optional<int64_t> read_model_max_length(const JsonFields& config) {
  const json::Value* value = config.find("model_max_length");
  if (value == nullptr || !value->is_number()) return std::nullopt;
  constexpr double kNoLimit = 1e15;
  const double length = value->as_number();
  if (!(length >= 1) || length > kNoLimit) return std::nullopt;
  return static_cast<int64_t>(length);
}

/// tokenizer.json, or else vocab.txt. Returns the path of the one that counts.
std::string read_model(FileReader& files, const std::string& directory,
                       TokenizerDefinition& definition, NormalizerSettings& settings) {
  const std::optional<json::Value> tokenizer_json = files.read_json("tokenizer.json");
  const std::string* vocabulary = files.read("vocab.txt");  // kept in any case
  std::string source = files.path(tokenizer_json ? "tokenizer.json" : "vocab.txt");
  if (tokenizer_json) {
    read_tokenizer_json(*tokenizer_json, source, definition, settings);
  } else if (vocabulary != nullptr) {
    definition.vocabulary = read_vocabulary(*vocabulary, source);
  } else {
    fail("ERR_FILE_NOT_FOUND", directory,
         " holds no tokenizer: neither tokenizer.json nor vocab.txt is there");
  }
  return source;
}

/// The ids that tokenizer.json states itself and a vocab.txt does not.
void find_frame(const SpecialTokens& special, const std::string& source,
                TokenizerDefinition& definition) {
  definition.wordpiece.unknown_token = special.named("unk_token", "[UNK]").content;
  definition.cls_id = needed_id(definition, special.named("cls_token", "[CLS]").content, source);
  definition.sep_id = needed_id(definition, special.named("sep_token", "[SEP]").content, source);
}

}  // namespace

TokenizerDefinition read_tokenizer(const std::string& directory) {
  FileReader files(directory);
  TokenizerDefinition definition;
  NormalizerSettings settings;
  const std::string source = read_model(files, directory, definition, settings);

  const json::Value config_value = files.read_object("tokenizer_config.json");
  const json::Value map_value = files.read_object("special_tokens_map.json");
  const json::Value added_value = files.read_object("added_tokens.json");
  const JsonFields config(config_value, files.path("tokenizer_config.json"));
  const JsonFields map(map_value, files.path("special_tokens_map.json"));
  const JsonFields added(added_value, files.path("added_tokens.json"));
  apply_settings(config, settings);
  definition.normalizer = settings.resolved();
  definition.model_max_length = read_model_max_length(config);

  const SpecialTokens special(config, map, added);
  if (source == files.path("vocab.txt")) find_frame(special, source, definition);
  needed_id(definition, definition.wordpiece.unknown_token, source);
  find_added_tokens(special, definition);
  definition.files = files.take();
  return definition;
}

}  // namespace bertcnn::text
