// From tokens back to a text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer_files.h"

namespace bertcnn::text {

/// Joins tokens as Hugging Face's WordPiece decoder does: a token with the prefix is attached to
/// the one before it, others stand behind a space; cleaning up removes the space before English
/// punctuation and contractions.
std::string join_tokens(const std::vector<std::string_view>& tokens, const DecoderOptions& options);

}  // namespace bertcnn::text
