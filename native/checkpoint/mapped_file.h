// A file's bytes in memory, read as they are touched.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace bertcnn::checkpoint {

/// A regular file, mapped for reading. Where its bytes lie does not change when the object is
/// moved.
class MappedFile {
 public:
  /// Errors: `ERR_FILE_NOT_FOUND`; `ERR_IO` with the path and the system's reason.
  explicit MappedFile(const std::string& path);
  /// Stands for a file whose `bytes` somebody else keeps in memory; `name` is for messages.
  MappedFile(std::string name, std::span<const std::byte> bytes);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
  bool mapped_ = true;
};

}  // namespace bertcnn::checkpoint
