// What a directory must hold to be a tokenizer, and what each file says.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "text/fixtures.h"
#include "text/tokenizer.h"

namespace bertcnn::text {
namespace {

using testing::Test;

constexpr char kVocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\nFilm\n##s\ne\né\n";

class TokenizerFiles : public Test {
 protected:
  Tokenizer load() const { return Tokenizer::from_directory(directory_.path()); }
  std::string error() const {
    return error_of([&] { load(); });
  }

  /// The tokens of `text` between [CLS] and [SEP].
  static std::string tokens(const Tokenizer& tokenizer, std::string_view text) {
    std::string found;
    for (const int32_t id : tokenizer.encode(text, {.add_special_tokens = false}).ids) {
      if (!found.empty()) found += ' ';
      found += tokenizer.id_to_token(id).value();
    }
    return found;
  }

  /// Writes a tokenizer.json with the member at `path` ("model.type") set to `value`.
  void write_json(const std::string& path = "", const json::Value& value = {}) const {
    json::Value tokenizer = read("added/tokenizer.json");
    if (!path.empty()) set(tokenizer, path, value);
    directory_.write("tokenizer.json", json::write(tokenizer));
  }

  void expect_refusal(const std::string& path, const json::Value& value,
                      const std::string& message) const {
    write_json(path, value);
    const std::string found = error();
    EXPECT_TRUE(found.starts_with("ERR_TOKENIZER_FORMAT: ")) << found;
    EXPECT_NE(found.find(message), std::string::npos) << found;
    EXPECT_NE(found.find("tokenizer.json"), std::string::npos) << found;
  }

  const TemporaryDirectory directory_;

 private:
  static json::Value read(const std::string& name) { return read_fixture(name); }

  static void set(json::Value& object, const std::string& path, const json::Value& value) {
    const size_t dot = path.find('.');
    if (dot == std::string::npos) {
      object.set(path, value);
      return;
    }
    json::Value inner = *object.find(path.substr(0, dot));
    set(inner, path.substr(dot + 1), value);
    object.set(path.substr(0, dot), inner);
  }
};

TEST_F(TokenizerFiles, ADirectoryWithoutATokenizerIsNamed) {
  const std::string found = error();
  EXPECT_TRUE(found.starts_with("ERR_FILE_NOT_FOUND: " + directory_.path())) << found;
  EXPECT_TRUE(error_of([] {
                Tokenizer::from_directory("/no/such/place");
              }).starts_with("ERR_FILE_NOT_FOUND: /no/such/place"));
}

TEST_F(TokenizerFiles, AVocabularyAloneIsReadAsUncased) {
  directory_.write("vocab.txt", kVocabulary);
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokens(tokenizer, "FILMS é"), "film ##s e");
  EXPECT_EQ(tokenizer.vocab_size(), 10u);
  EXPECT_EQ(tokenizer.pad_token_id(), 0);
  EXPECT_EQ(tokenizer.model_max_length(), std::nullopt);
}

TEST_F(TokenizerFiles, TheConfigurationDecidesCaseAndAccents) {
  directory_.write("vocab.txt", kVocabulary);
  directory_.write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(tokens(load(), "Film é"), "Film é");
  directory_.write("tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": true})");
  EXPECT_EQ(tokens(load(), "Film é"), "Film e");
  directory_.write("tokenizer_config.json", R"({"strip_accents": false})");
  EXPECT_EQ(tokens(load(), "Film É"), "film é");
}

TEST_F(TokenizerFiles, TheConfigurationWinsOverTokenizerJson) {
  write_json("normalizer.lowercase", false);
  EXPECT_EQ(tokens(load(), "Film"), "[UNK]");
  directory_.write("tokenizer_config.json", R"({"do_lower_case": true})");
  EXPECT_EQ(tokens(load(), "Film"), "film");
}

TEST_F(TokenizerFiles, LineEndsAndTheLastLineMayDiffer) {
  directory_.write("vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nfilm \r\n##s");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokens(tokenizer, "films"), "film ##s");
  EXPECT_EQ(tokenizer.vocab_size(), 7u);
}

TEST_F(TokenizerFiles, ABlankLineTakesAnId) {
  directory_.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\nfilm\n");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.token_to_id("film"), 6);
  EXPECT_EQ(tokens(tokenizer, "film x"), "film [UNK]");
}

TEST_F(TokenizerFiles, OfEqualLinesTheLastCounts) {
  directory_.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\nfilm\n");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.token_to_id("film"), 6);
  EXPECT_EQ(tokenizer.id_to_token(5), std::nullopt);
  EXPECT_EQ(tokenizer.vocab_size(), 6u);
}

TEST_F(TokenizerFiles, AVocabularyWithoutANeededTokenIsRefused) {
  for (const std::string missing : {"[UNK]", "[CLS]", "[SEP]"}) {
    std::string vocabulary = kVocabulary;
    vocabulary.erase(vocabulary.find(missing), missing.size() + 1);
    directory_.write("vocab.txt", vocabulary);
    const std::string found = error();
    EXPECT_TRUE(found.starts_with("ERR_TOKENIZER_FORMAT: ")) << found;
    EXPECT_NE(found.find("vocab.txt has no token " + missing), std::string::npos) << found;
  }
  directory_.write("vocab.txt", "");
  EXPECT_NE(error().find("has no token"), std::string::npos);
}

TEST_F(TokenizerFiles, AVocabularyThatIsNoUtf8IsRefused) {
  directory_.write("vocab.txt", std::string(kVocabulary) + "\xFF\n");
  EXPECT_NE(error().find("vocab.txt is not UTF-8"), std::string::npos) << error();
}

TEST_F(TokenizerFiles, SpecialTokensMayHaveOtherNames) {
  directory_.write("vocab.txt", "<pad>\n<unk>\n<s>\n</s>\n<mask>\nfilm\n");
  directory_.write("special_tokens_map.json",
                   R"({"pad_token": "<pad>", "unk_token": {"content": "<unk>", "lstrip": false},
                       "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"})");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.encode("film zzz", {}).ids, (std::vector<int32_t>{2, 5, 1, 3}));
  EXPECT_EQ(tokens(tokenizer, "<mask></s>"), "<mask> </s>");
}

TEST_F(TokenizerFiles, SpecialTokensThatTheVocabularyLacksAreNumberedBehindIt) {
  directory_.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nfilm\n");
  directory_.write("tokenizer_config.json", R"({"additional_special_tokens": ["<person>"]})");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.pad_token_id(), 4);
  EXPECT_EQ(tokenizer.token_to_id("[MASK]"), 5);
  EXPECT_EQ(tokenizer.token_to_id("<person>"), 6);
  EXPECT_EQ(tokens(tokenizer, "film<person>"), "film <person>");
}

TEST_F(TokenizerFiles, AddedTokensKeepTheirFlags) {
  directory_.write("vocab.txt", kVocabulary);
  directory_.write(
      "tokenizer_config.json",
      R"({"added_tokens_decoder": {"10": {"content": "<x>", "lstrip": true, "rstrip": true,
                       "single_word": false, "normalized": false, "special": false}}})");
  const Tokenizer tokenizer = load();
  const Encoding encoding = tokenizer.encode("e <x> e", {.add_special_tokens = false});
  EXPECT_EQ(encoding.ids, (std::vector<int32_t>{8, 10, 8}));
  EXPECT_EQ(encoding.offsets[1], (std::pair<int32_t, int32_t>(1, 6)));
}

TEST_F(TokenizerFiles, AddedTokensJsonIsRead) {
  directory_.write("vocab.txt", kVocabulary);
  directory_.write("added_tokens.json", R"({"<b>": 11, "<a>": 10})");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.token_to_id("<a>"), 10);
  EXPECT_EQ(tokens(tokenizer, "<b>film<a>"), "<b> film <a>");
}

// Reading the whole configuration for each token takes half a minute.
TEST_F(TokenizerFiles, ManyAddedTokensBesideALongConfigurationAreReadAtOnce) {
  json::Object config, added;
  for (int i = 0; i < 60'000; ++i) {
    config.emplace_back("y" + std::to_string(i), 0);
    added.emplace_back("x" + std::to_string(i), 10 + i);
  }
  config.emplace_back("mask_token", "x0");
  directory_.write("vocab.txt", kVocabulary);
  directory_.write("tokenizer_config.json", json::write(config));
  directory_.write("added_tokens.json", json::write(added));
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.token_to_id("x59999"), 10 + 59'999);
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{10, 11}, true), "x1") << "x0 is special";
}

TEST_F(TokenizerFiles, TheModelsMaximumLengthIsReadWhereItIsOne) {
  directory_.write("vocab.txt", kVocabulary);
  directory_.write("tokenizer_config.json", R"({"model_max_length": 512})");
  EXPECT_EQ(load().model_max_length(), 512);
  for (const char* none :
       {"1000000000000000019884624838656", "1e30", "null", "0", "-1", "\"512\""}) {
    directory_.write("tokenizer_config.json", R"({"model_max_length": )" + std::string(none) + "}");
    EXPECT_EQ(load().model_max_length(), std::nullopt) << none;
  }
}

TEST_F(TokenizerFiles, TheFilesAreKeptAsRead) {
  directory_.write("vocab.txt", kVocabulary);
  directory_.write("tokenizer_config.json", "{ }\n");
  const Tokenizer tokenizer = load();
  ASSERT_EQ(tokenizer.files().size(), 2u);
  EXPECT_EQ(tokenizer.files()[0].name, "vocab.txt");
  EXPECT_EQ(tokenizer.files()[0].bytes, kVocabulary);
  EXPECT_EQ(tokenizer.files()[1].name, "tokenizer_config.json");
  EXPECT_EQ(tokenizer.files()[1].bytes, "{ }\n");
}

TEST_F(TokenizerFiles, TokenizerJsonCountsAndVocabTxtIsOnlyKept) {
  write_json();
  directory_.write("vocab.txt", "nothing of use");
  const Tokenizer tokenizer = load();
  EXPECT_EQ(tokens(tokenizer, "film"), "film");
  EXPECT_EQ(tokenizer.files().size(), 2u);
}

TEST_F(TokenizerFiles, TruncationAndPaddingOfTokenizerJsonAreIgnored) {
  write_json("truncation",
             json::Object{{"max_length", 3}, {"strategy", "LongestFirst"}, {"stride", 0}});
  EXPECT_EQ(tokens(load(), "film film film film"), "film film film film");
}

TEST_F(TokenizerFiles, AnotherKindOfTokenizerIsRefusedByItsType) {
  expect_refusal("model.type", "BPE", "model.type is \"BPE\"");
  expect_refusal("model.type", "Unigram", "model.type is \"Unigram\"");
  expect_refusal("model", nullptr, "model is nothing");
  expect_refusal("normalizer.type", "Sequence", "normalizer.type is \"Sequence\"");
  expect_refusal("normalizer", nullptr, "normalizer is nothing");
  expect_refusal("pre_tokenizer.type", "ByteLevel", "pre_tokenizer.type is \"ByteLevel\"");
  expect_refusal("post_processor.type", "RobertaProcessing",
                 "post_processor.type is \"RobertaProcessing\"");
  expect_refusal("post_processor", nullptr, "post_processor is nothing");
  expect_refusal("decoder.type", "ByteLevel", "decoder.type is \"ByteLevel\"");
}

TEST_F(TokenizerFiles, AnotherTemplateIsRefusedAsItReads) {
  const json::Value cls =
      json::Object{{"SpecialToken", json::Object{{"id", "[CLS]"}, {"type_id", 0}}}};
  const json::Value text = json::Object{{"Sequence", json::Object{{"id", "A"}, {"type_id", 0}}}};
  expect_refusal("post_processor.single", json::Array{cls, text}, "'[CLS]:0 A:0'");
  expect_refusal("post_processor.single", json::Array{}, "post_processor.single is ''");
  expect_refusal("post_processor.pair", json::Array{cls, text, cls}, "'[CLS]:0 A:0 [CLS]:0'");
}

TEST_F(TokenizerFiles, BertProcessingIsTheSameTemplate) {
  json::Value processor = json::Object{{"type", "BertProcessing"},
                                       {"sep", json::Array{"[SEP]", 3}},
                                       {"cls", json::Array{"[CLS]", 2}}};
  write_json("post_processor", processor);
  const Encoding encoding = load().encode_pair("film", "film film", {});
  EXPECT_EQ(encoding.ids.front(), 2);
  EXPECT_EQ(encoding.ids.back(), 3);
  EXPECT_EQ(encoding.type_ids, (std::vector<int32_t>{0, 0, 0, 1, 1, 1}));
  processor.set("sep", json::Array{"[SEP]"});
  expect_refusal("post_processor", processor, "post_processor.sep is ");
}

TEST_F(TokenizerFiles, TheUnknownTokenMayBeTheEmptyOne) {
  directory_.write("vocab.txt", std::string(kVocabulary) + "\n");
  directory_.write("tokenizer_config.json", R"({"unk_token": ""})");
  EXPECT_EQ(load().encode("zz film", {.add_special_tokens = false}).ids,
            (std::vector<int32_t>{10, 5}));
}

TEST_F(TokenizerFiles, ALargeIdIsATokenLikeAnother) {
  constexpr int32_t far = (1 << 24) - 1;
  write_json("model.vocab", json::Object{{"[UNK]", 1}, {"film", far}, {"a", 2}});
  const Tokenizer tokenizer = load();
  const std::vector<int32_t> ids{2, far};
  EXPECT_EQ(tokenizer.encode("a film", {.add_special_tokens = false}).ids, ids);
  EXPECT_EQ(tokenizer.decode(ids, false), "a film");
  EXPECT_EQ(tokenizer.id_to_token(far), "film");
  EXPECT_EQ(tokenizer.id_to_token(far - 1), std::nullopt);
}

TEST_F(TokenizerFiles, OfTokensWithOneIdTheLastCounts) {
  write_json("model.vocab", json::Object{{"[UNK]", 1}, {"film", 100}, {"a", 100}});
  EXPECT_EQ(load().decode(std::vector<int32_t>{100}, false), "a");
}

/// As in Hugging Face's: what takes the spaces behind it does not keep the next one from being
/// found where it starts with one of them.
TEST_F(TokenizerFiles, AddedTokensThatOverlapLieWhereTheyAreInTheText) {
  directory_.write("vocab.txt", kVocabulary);
  directory_.write("tokenizer_config.json", R"({"added_tokens_decoder": {
      "90": {"content": "<r>", "rstrip": true, "normalized": false},
      "91": {"content": " s", "normalized": false}}})");
  using Offsets = std::vector<std::pair<int32_t, int32_t>>;
  EXPECT_EQ(load().encode("é<r>  s e", {.add_special_tokens = false}).offsets,
            (Offsets{{0, 1}, {1, 6}, {5, 7}, {8, 9}}));
}

TEST_F(TokenizerFiles, BrokenMembersAreNamed) {
  expect_refusal("model.vocab", "none", "model.vocab is \"none\", expected an object");
  expect_refusal("model.vocab.film", -1, "model.vocab.film is -1");
  expect_refusal("model.vocab.film", 2.5, "model.vocab.film is 2.5");
  expect_refusal("model.vocab.film", 1 << 30, "model.vocab.film is 1073741824");
  expect_refusal("model.unk_token", nullptr, "model.unk_token is null, expected a string");
  expect_refusal("model.unk_token", "<?>", "has no token <?>");
  expect_refusal("model.max_input_chars_per_word", -1, "model.max_input_chars_per_word is -1");
  // A word of a hostile vocabulary costs up to the square of its length.
  expect_refusal("model.max_input_chars_per_word", 1001,
                 "model.max_input_chars_per_word is 1001, expected an integer from 0 to 1000");
  expect_refusal("normalizer.lowercase", 1, "normalizer.lowercase is 1, expected true or false");
  expect_refusal("added_tokens", json::Array{"x"}, "added_tokens is \"x\", expected an object");
}

TEST_F(TokenizerFiles, BrokenJsonIsRefusedWithItsFile) {
  directory_.write("tokenizer.json", "{");
  const std::string found = error();
  EXPECT_TRUE(found.starts_with("ERR_INVALID_JSON: ")) << found;
  EXPECT_NE(found.find("tokenizer.json"), std::string::npos) << found;
}

TEST_F(TokenizerFiles, ADirectoryInTheFilesPlaceIsAnError) {
  std::filesystem::create_directory(directory_.path() + "/tokenizer.json");
  EXPECT_EQ(error(),
            "ERR_IO: cannot read " + directory_.path() + "/tokenizer.json: not a regular file");
}

TEST_F(TokenizerFiles, APipeInTheFilesPlaceIsAnErrorAndNotWaitedFor) {
  ASSERT_EQ(mkfifo((directory_.path() + "/vocab.txt").c_str(), 0600), 0);
  EXPECT_EQ(error(), "ERR_IO: cannot read " + directory_.path() + "/vocab.txt: not a regular file");
}

TEST_F(TokenizerFiles, AFileThatIsTooLargeIsAnError) {
  directory_.write("vocab.txt", kVocabulary);
  std::filesystem::resize_file(directory_.path() + "/vocab.txt", (64 << 20) + 1);
  EXPECT_EQ(error(), "ERR_IO: cannot read " + directory_.path() +
                         "/vocab.txt: it has 67108865 bytes, expected at most 67108864");
}

}  // namespace
}  // namespace bertcnn::text
