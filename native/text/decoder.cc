#include "text/decoder.h"

#include <array>
#include <utility>

namespace bertcnn::text {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// Each replacement runs over what the ones before it have left.
void clean_up(std::string& text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kReplacements{{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};
  for (const auto& [from, to] : kReplacements) replace_all(text, from, to);
}

}  // namespace

std::string join_tokens(const std::vector<std::string_view>& tokens,
                        const DecoderOptions& options) {
  std::string text, next;
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string_view token = tokens[i];
    const bool attached = i == 0 || (options.joins_pieces &&
                                     token.substr(0, options.prefix.size()) == options.prefix);
    if (attached && i != 0) token.remove_prefix(options.prefix.size());
    next.assign(attached ? "" : " ");
    next.append(token);
    // Token by token, as Hugging Face does, so that nothing is replaced across two tokens.
    if (options.joins_pieces && options.cleanup) clean_up(next);
    text += next;
  }
  return text;
}

}  // namespace bertcnn::text
