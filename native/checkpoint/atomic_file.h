// A file that appears complete or not at all.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor.h"

namespace bertcnn::checkpoint {

/// Writes to a temporary file beside `target`; `commit()` puts it in `target`'s place. Without a
/// commit the destructor removes it and `target` stays as it was; what a killed process left there
/// is removed, too. A symbolic link is followed: the file that it points to is replaced. The new
/// file has the old one's permissions, and its owner and group where the system allows it. All
/// errors are `ERR_IO` with the path and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& target);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Bytes written so far.
  size_t size() const { return size_; }
  /// Flushes to the disk and renames.
  void commit();

 private:
  void open_temporary(mode_t permissions);
  void flush();
  void write_through(std::span<const std::byte> bytes) const;

  std::string target_;
  std::string temporary_;
  Descriptor descriptor_;
  size_t size_ = 0;
  std::vector<std::byte> pending_;
};

}  // namespace bertcnn::checkpoint
