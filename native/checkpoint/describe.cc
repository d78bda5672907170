#include "checkpoint/describe.h"

#include <cerrno>
#include <system_error>

#include "error.h"

namespace bertcnn::checkpoint {

std::string quoted(std::string_view text) {
  constexpr size_t longest = 200;
  std::string result = "\"";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  result += text.size() > longest ? "...\"" : "\"";
  return result;
}

std::string shape_text(std::span<const int64_t> shape) {
  constexpr size_t most = 16;
  std::string result = "[";
  for (size_t i = 0; i < shape.size() && i < most; ++i) {
    result += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  result += shape.size() > most ? ", ...]" : "]";
  return result;
}

void fail_io(std::string_view action, const std::string& path) {
  const int reason = errno;
  fail("ERR_IO", "cannot ", action, " ", path, ": ", std::generic_category().message(reason));
}

}  // namespace bertcnn::checkpoint
