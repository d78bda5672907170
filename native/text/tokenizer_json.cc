#include "text/tokenizer_json.h"

#include "error.h"

namespace bertcnn::text {
namespace {

/// Beyond any vocabulary there is.
constexpr int64_t kMostId = (1 << 24) - 1;
/// BERT has 100. With a vocabulary made for it, a word costs up to the square of its length.
constexpr int64_t kLongestWord = 1000;

[[noreturn]] void refuse(const std::string& where, const std::string& found,
                         std::string_view expected) {
  fail("ERR_TOKENIZER_FORMAT", where, " is ", found,
       "; only BERT's WordPiece tokenizer is supported, ", "which has ", expected, " there");
}

/// The object called `name`, whose `type` must be `expected`.
JsonFields section(const JsonFields& file, std::string_view name, std::string_view expected) {
  const json::Value* found = file.find(name);
  if (found == nullptr || !found->is_object()) refuse(file.path(name), describe(found), expected);
  JsonFields fields(*found, file.path(name));
  const json::Value* type = fields.find("type");
  if (type == nullptr || !type->is_string() || type->as_string() != expected) {
    refuse(fields.path("type"), describe(type), "\"" + std::string(expected) + "\"");
  }
  return fields;
}

/// `model`. Old files leave its type out; then its members must be WordPiece's.
JsonFields model_section(const JsonFields& file) {
  const json::Value* model = file.find("model");
  if (model != nullptr && model->is_object() && model->find("type") == nullptr &&
      model->find("continuing_subword_prefix") != nullptr &&
      model->find("max_input_chars_per_word") != nullptr) {
    return {*model, file.path("model")};
  }
  return section(file, "model", "WordPiece");
}

void read_model(const JsonFields& model, TokenizerDefinition& definition) {
  definition.wordpiece.unknown_token = model.text("unk_token");
  definition.wordpiece.continuation_prefix = model.text("continuing_subword_prefix");
  definition.wordpiece.max_word_characters =
      static_cast<size_t>(model.integer("max_input_chars_per_word", kLongestWord));
  const JsonFields vocabulary = model.object("vocab");
  for (const auto& [token, id] : vocabulary.value().as_object()) {
    definition.vocabulary.emplace_back(token, vocabulary.integer_of(token, id, kMostId));
  }
}

void read_normalizer(const JsonFields& normalizer, NormalizerSettings& settings) {
  settings.clean_text = normalizer.flag("clean_text");
  settings.handle_chinese_chars = normalizer.flag("handle_chinese_chars");
  settings.lowercase = normalizer.flag("lowercase");
  if (normalizer.find("strip_accents") != nullptr) {
    settings.strip_accents = normalizer.flag("strip_accents");
  }
}

/// A template as text, such as `[CLS]:0 A:0 [SEP]:0`: each piece with its type id.
std::string template_text(const JsonFields& processor, std::string_view name) {
  std::string text;
  for (const json::Value& piece : processor.array(name)) {
    const JsonFields fields(piece, processor.path(name));
    const bool special = fields.find("SpecialToken") != nullptr;
    const JsonFields part = fields.object(special ? "SpecialToken" : "Sequence");
    if (!text.empty()) text += ' ';
    text += part.text("id") + ':' + std::to_string(part.integer("type_id", INT32_MAX));
  }
  return text;
}

/// The name of the special token at `index` in the template for one text; empty where there is
/// none.
std::string special_at(const JsonFields& processor, size_t index) {
  const json::Array& pieces = processor.array("single");
  if (index >= pieces.size()) return {};
  const json::Value* special = pieces[index].find("SpecialToken");
  const json::Value* id = special == nullptr ? nullptr : special->find("id");
  return id == nullptr || !id->is_string() ? std::string() : id->as_string();
}

int32_t special_id(const JsonFields& processor, const std::string& name) {
  const JsonFields token = processor.object("special_tokens").object(name);
  const json::Array& ids = token.array("ids");
  if (ids.size() != 1) {
    refuse(token.path("ids"), std::to_string(ids.size()) + " ids", "one id");
  }
  return token.integer_of("ids", ids[0], kMostId);
}

void read_template(const JsonFields& processor, TokenizerDefinition& definition) {
  const std::string cls = special_at(processor, 0), sep = special_at(processor, 2);
  const std::string single = template_text(processor, "single");
  if (single != cls + ":0 A:0 " + sep + ":0") {
    refuse(processor.path("single"), "'" + single + "'", "'[CLS]:0 A:0 [SEP]:0'");
  }
  const std::string pair = template_text(processor, "pair");
  if (pair != single + " B:1 " + sep + ":1") {
    refuse(processor.path("pair"), "'" + pair + "'", "'[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1'");
  }
  definition.cls_id = special_id(processor, cls);
  definition.sep_id = special_id(processor, sep);
}

/// The id in a pair of BertProcessing, such as `["[SEP]", 102]`.
int32_t processing_id(const JsonFields& processor, std::string_view name) {
  const json::Array& pair = processor.array(name);
  if (pair.size() != 2) refuse(processor.path(name), describe(processor.find(name)), "[token, id]");
  return processor.integer_of(name, pair[1], kMostId);
}

void read_post_processor(const JsonFields& file, TokenizerDefinition& definition) {
  const json::Value* found = file.find("post_processor");
  const json::Value* type = found == nullptr ? nullptr : found->find("type");
  if (type != nullptr && *type == json::Value("BertProcessing")) {
    const JsonFields processor(*found, file.path("post_processor"));
    definition.cls_id = processing_id(processor, "cls");
    definition.sep_id = processing_id(processor, "sep");
    return;
  }
  read_template(section(file, "post_processor", "TemplateProcessing"), definition);
}

void read_decoder(const JsonFields& file, DecoderOptions& options) {
  if (file.find("decoder") == nullptr) {
    options.joins_pieces = false;
    return;
  }
  const JsonFields decoder = section(file, "decoder", "WordPiece");
  options.prefix = decoder.text("prefix");
  options.cleanup = decoder.flag("cleanup");
}

/// `padding.pad_id`, where there is one; padding itself is not the tokenizer's business here.
void read_padding(const JsonFields& file, TokenizerDefinition& definition) {
  if (file.find("padding") == nullptr) return;
  definition.pad_id = file.object("padding").integer("pad_id", kMostId);
}

}  // namespace

NormalizerOptions NormalizerSettings::resolved() const {
  return {clean_text, handle_chinese_chars, strip_accents.value_or(lowercase), lowercase};
}

void read_tokenizer_json(const json::Value& value, const std::string& source,
                         TokenizerDefinition& definition, NormalizerSettings& settings) {
  const JsonFields file(value, source);
  read_model(model_section(file), definition);
  read_normalizer(section(file, "normalizer", "BertNormalizer"), settings);
  section(file, "pre_tokenizer", "BertPreTokenizer");
  read_post_processor(file, definition);
  read_decoder(file, definition.decoder);
  read_padding(file, definition);
  if (file.find("added_tokens") == nullptr) return;
  for (const json::Value& token : file.array("added_tokens")) {
    definition.added_tokens.push_back(
        read_added_token(JsonFields(token, file.path("added_tokens"))));
  }
}

AddedToken read_added_token(const JsonFields& fields) {
  AddedToken token;
  token.content = fields.text("content");
  token.special = fields.flag("special", false);
  token.single_word = fields.flag("single_word", false);
  token.lstrip = fields.flag("lstrip", false);
  token.rstrip = fields.flag("rstrip", false);
  token.normalized = fields.flag("normalized", !token.special);
  return token;
}

}  // namespace bertcnn::text
