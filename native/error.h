// The one exception that native code throws on purpose.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace bertcnn {

/// An error with a code that JavaScript sees as `error.code`. The message names the offending name
/// or value and says what would be right. Codes are listed in docs/errors.md.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}

  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

/// Throws an Error whose message is the concatenation of `parts`, each written with `<<`.
template <typename... Parts>
[[noreturn]] void fail(const char* code, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(code, message.str());
}

}  // namespace bertcnn
