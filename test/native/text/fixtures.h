// Reading test/fixtures/text, and directories that a test fills itself.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "error.h"
#include "json.h"

namespace bertcnn::text {

inline std::string fixture_path(const std::string& name) {
  return std::string(BERTCNN_FIXTURES) + "/text/" + name;
}

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline json::Value read_fixture(const std::string& name) {
  return json::parse(read_text(fixture_path(name)), name);
}

/// A directory that is removed with its files at the end of a test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "bertcnn-text-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
  }

 private:
  std::string path_;
};

/// The code and the message of the Error that `action` throws, as "code: message".
template <typename Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() + ": " + error.what();
  }
  return "no error";
}

}  // namespace bertcnn::text
