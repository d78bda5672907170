// Pieces of error messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bertcnn::checkpoint {

/// `text` in double quotes, cut where a hostile file makes it absurdly long, without control
/// characters.
std::string quoted(std::string_view text);

/// "[2, 3]".
std::string shape_text(std::span<const int64_t> shape);

/// Throws ERR_IO: "cannot `action` `path`: " and the reason that `errno` gives.
[[noreturn]] void fail_io(std::string_view action, const std::string& path);

}  // namespace bertcnn::checkpoint
