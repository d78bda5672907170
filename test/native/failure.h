// What a piece of work throws.
#pragma once

#include <functional>
#include <string>

#include "error.h"

namespace bertcnn::testing {

/// The code of the Error that `work` throws, or an empty string.
inline std::string failure_code(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

/// Its code and, after a space, its message.
inline std::string failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code() + " " + error.what();
  }
  return "";
}

}  // namespace bertcnn::testing
