// A file that appears complete or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bertcnn::checkpoint {

/// Writes to a temporary file beside `target`; `commit()` puts it in `target`'s place. Without a
/// commit the destructor removes it and `target` stays as it was. A symbolic link is followed: the
/// file that it points to is replaced. All errors are `ERR_IO` with the path and the system's
/// reason.
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
  void flush();
  void write_through(std::span<const std::byte> bytes) const;

  std::string target_;
  std::string temporary_;
  int descriptor_ = -1;
  size_t size_ = 0;
  std::vector<std::byte> pending_;
};

}  // namespace bertcnn::checkpoint
