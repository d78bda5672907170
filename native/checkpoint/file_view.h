// A file's bytes at places that stay, of which those that are asked for are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "descriptor.h"

namespace bertcnn::checkpoint {

struct OpenFile {
  std::string path;
  Descriptor descriptor;
};

/// Fills `to` with the bytes from `offset` on. Errors: `ERR_IO`, also where the file has been cut
/// short meanwhile.
void read_at(const OpenFile& file, uint64_t offset, std::span<std::byte> to);

/// A regular file to be parsed: as large in memory as on the disk, but what was not fetched must
/// not be looked at, and ends the process. Not a mapped file: one that somebody cuts short would
/// end the process, too, and one that somebody changes would be another after it was checked. Bytes
/// are read once. Where they lie does not change when the object is moved.
class FileView {
 public:
  /// Errors: `ERR_FILE_NOT_FOUND`; `ERR_IO` with the path and the system's reason.
  explicit FileView(const std::string& path);
  /// Stands for a file whose `bytes` somebody else keeps in memory, all of them fetched; `name` is
  /// for messages.
  FileView(std::string name, std::span<const std::byte> bytes);
  FileView(FileView&& other) noexcept;
  FileView& operator=(FileView&& other) noexcept;
  ~FileView();

  const std::string& path() const { return path_; }
  /// The place of each byte.
  std::span<const std::byte> bytes() const { return bytes_; }
  /// Reads the bytes from `offset` on, which must be `size` at least. Errors: `ERR_IO`.
  std::span<const std::byte> fetch(uint64_t offset, uint64_t size) const;
  /// Gives the memory of all that was fetched back; it must not be looked at any more.
  void forget() const;
  /// Null where somebody else keeps the bytes.
  const std::shared_ptr<const OpenFile>& open_file() const { return open_; }

 private:
  void read_pages(uint64_t first, uint64_t last) const;

  std::string path_;
  std::span<const std::byte> bytes_;
  std::shared_ptr<const OpenFile> open_;
  mutable std::vector<bool> fetched_;  // by page
};

}  // namespace bertcnn::checkpoint
