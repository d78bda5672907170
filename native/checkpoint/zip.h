// The zip container as PyTorch uses it: every entry stored, none compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/atomic_file.h"
#include "checkpoint/file_view.h"

namespace bertcnn::checkpoint {

struct ZipEntry {
  std::string_view name;
  std::span<const std::byte> bytes;  // where they lie in the file
  bool stored;                       // neither compressed nor encrypted
};

/// The entries of a zip archive. Reads the central directory (zip64 too),
/// checks every offset and size in it against the file and the entries' own headers, and refuses
/// overlapping and equally named entries. Checksums are not computed: PyTorch can write files
/// without them, and its own reader does not look either.
class ZipArchive {
 public:
  /// `file` must outlive the archive. Errors: `ERR_CHECKPOINT_FORMAT`, `ERR_IO`.
  explicit ZipArchive(const FileView& file);

  /// In the order of the central directory.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry called `name`, or null.
  const ZipEntry* find(std::string_view name) const;
  /// Where the bytes of an entry of this archive are, which must be stored.
  std::span<const std::byte> stored_bytes(const ZipEntry& entry) const;
  /// Those bytes, read from the file.
  std::span<const std::byte> fetch(const ZipEntry& entry) const;

 private:
  struct Directory;

  Directory locate_directory() const;
  void read_directory(const Directory& directory);
  std::span<const std::byte> locate_bytes(std::string_view name, uint64_t header, uint64_t size,
                                          uint64_t limit) const;
  std::string_view text_at(uint64_t offset, uint64_t length) const;
  void refuse_overlaps(const std::vector<uint64_t>& starts) const;
  void sort_by_name();
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const;

  const FileView& view_;
  std::span<const std::byte> file_;
  std::vector<ZipEntry> entries_;
  std::vector<uint32_t> by_name_;  // indices of entries
};

/// Writes a zip archive of stored entries whose bytes start at multiples of 64, so that they can be
/// used where they are mapped.
class ZipWriter {
 public:
  /// `largest`: sizes and offsets from here on are written as zip64; only tests choose another.
  explicit ZipWriter(AtomicFile& file, uint64_t largest = 0xFFFFFFFF)
      : file_(file), largest_(largest) {}

  void add(const std::string& name, std::span<const std::byte> bytes);
  /// Writes the central directory.
  void finish();

 private:
  struct Written {
    std::string name;
    uint64_t size;
    uint64_t offset;
    uint32_t checksum;
  };

  std::string directory_entry(const Written& entry) const;

  AtomicFile& file_;
  uint64_t largest_;
  std::vector<Written> written_;
};

}  // namespace bertcnn::checkpoint
