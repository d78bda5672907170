/**
 * Bugs that the fuzzers must find: in a copy of the sources `bad` takes the place of `good`, which must be there
 * exactly once. Each takes a check away from a reader. `npm run fuzz -- --planted` tries them.
 *
 * @type {readonly { target: string, what: string, file: string, good: string, bad: string }[]}
 */
export const planted = [
  {
    target: "safetensors",
    what: "a header may end behind the file",
    file: "native/checkpoint/safetensors.cc",
    good: "length > longest_header || !lies_within(length_bytes, length, size)",
    bad: "length > longest_header",
  },
  {
    target: "safetensors",
    what: "a shape need not fit its bytes",
    file: "native/checkpoint/safetensors.cc",
    good: "if (expected != range.end - range.begin) {",
    bad: "if (!expected) {",
  },
  {
    target: "pytorch_file",
    what: "a zip entry may end behind the file",
    file: "native/checkpoint/zip.cc",
    good: "if (!lies_within(start, size, limit)) {",
    bad: "if (start > limit) {",
  },
  {
    target: "pytorch_file",
    what: "a storage of the old format may end behind the file",
    file: "native/checkpoint/legacy_pytorch_file.cc",
    good: "!lies_within(begin + sizeof(int64_t), *size, file_.size())",
    bad: "*size > file_.size()",
  },
  {
    target: "pickle",
    what: "a tensor may end one element behind its storage",
    file: "native/checkpoint/strided.cc",
    good: "return last < elements;",
    bad: "return last <= elements;",
  },
  {
    target: "pickle",
    what: "a number may be taken from the memo that is not in it",
    file: "native/checkpoint/pickle.cc",
    good: "if (index >= memo_.size() || memo_[index] == no_ref) {",
    bad: "if (index > memo_.size() || memo_[index] == no_ref) {",
  },
  {
    target: "json",
    what: "a UTF-8 sequence is read past the end",
    file: "native/json.cc",
    good: "return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);",
    bad: "return static_cast<unsigned char>(text.data()[i]);",
  },
  {
    target: "config",
    what: "there may be no filter sizes",
    file: "native/model/bert_cnn_config.cc",
    good: "if (sizes.empty() || std::any_of(",
    bad: "if (std::any_of(",
  },
  {
    target: "config",
    what: "the pad token may be behind the vocabulary",
    file: "native/model/bert_config.cc",
    good: "if (bert.pad_token_id >= bert.vocab_size) {",
    bad: "if (bert.pad_token_id > INT32_MAX) {",
  },
  {
    target: "tokenizer",
    what: "a vocabulary without continuations is walked all the same",
    file: "native/text/wordpiece.cc",
    good: "if (from == Trie::kNowhere) return false;",
    bad: "",
  },
  {
    target: "encoding",
    what: "a character that is cut off is read past the text's end",
    file: "native/text/utf.cc",
    good: "if (p + i == end) return {i, false};",
    bad: "",
  },
  {
    target: "encoding",
    what: "a token takes spaces from before the text",
    file: "native/text/added_tokens.cc",
    good: "while (found.first > done) {",
    bad: "while (true) {",
  },
];
