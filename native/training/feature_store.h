// Bytes by rows of tokens: in memory up to a budget, beyond it in a file that nobody else sees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "descriptor.h"

namespace bertcnn::training {

/// What a row is known by: its token ids, type ids and positions, one after another. Keys are
/// compared number by number, so that no two rows are ever taken for each other.
using RowKey = std::vector<int32_t>;

/// Used by one thread.
class FeatureStore {
 public:
  /// memory: bytes, of keys and values together. directory: where the file is made once the memory
  /// is full; empty: the system's folder for temporary files. The file has no name, so that it is
  /// gone with the process, however that ends.
  FeatureStore(size_t memory, std::string directory);
  ~FeatureStore();
  FeatureStore(const FeatureStore&) = delete;
  FeatureStore& operator=(const FeatureStore&) = delete;

  /// Copies what is kept for the key, which has `to.size()` bytes. False: nothing is, or it can't
  /// be read.
  bool read(const RowKey& key, std::span<std::byte> to);
  /// Keeps a copy. Once the file can't be written, as on a full disk, what has no room in memory is
  /// not kept.
  void write(RowKey key, std::span<const std::byte> bytes);
  /// Forgets everything and frees memory and file.
  void clear();

  int64_t rows() const { return static_cast<int64_t>(entries_.size()); }
  size_t memory_bytes() const { return memory_bytes_; }
  size_t file_bytes() const { return file_bytes_; }

 private:
  struct Hash {
    size_t operator()(const RowKey& key) const;
  };
  struct Entry {
    std::unique_ptr<std::byte[]> bytes;  // null: in the file
    int64_t offset = 0;
  };
  bool open_file();
  bool append(std::span<const std::byte> bytes);

  size_t memory_;
  std::string directory_;
  std::unordered_map<RowKey, Entry, Hash> entries_;
  size_t memory_bytes_ = 0;
  Descriptor file_;
  size_t file_bytes_ = 0;
  bool file_failed_ = false;
};

}  // namespace bertcnn::training
