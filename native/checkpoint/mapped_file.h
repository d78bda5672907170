// A file's bytes in memory, read as they are touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "descriptor.h"

namespace bertcnn::checkpoint {

struct OpenFile {
  std::string path;
  Descriptor descriptor;
};

/// Fills `to` with the bytes from `offset` on. Unlike a look at the map, it does not end the
/// process where the file has been cut short. Errors: `ERR_IO`.
void read_at(const OpenFile& file, uint64_t offset, std::span<std::byte> to);

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
  /// Takes what was looked at off the process's resident memory: Linux maps much around each byte.
  /// Later looks bring it back.
  void forget_pages() const;
  /// Null where somebody else keeps the bytes.
  const std::shared_ptr<const OpenFile>& open_file() const { return open_; }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const OpenFile> open_;
};

}  // namespace bertcnn::checkpoint
