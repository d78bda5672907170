#include "training/feature_store.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

namespace bertcnn::training {
namespace {

bool write_all(int file, std::span<const std::byte> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += written;
  }
  return true;
}

bool read_all(int file, std::span<std::byte> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(file, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += count;
  }
  return true;
}

size_t size_of(const RowKey& key) {
  return key.size() * sizeof(key[0]);
}

}  // namespace

size_t FeatureStore::Hash::operator()(const RowKey& key) const {
  const auto* text = reinterpret_cast<const char*>(key.data());
  return std::hash<std::string_view>()({text, size_of(key)});
}

FeatureStore::FeatureStore(size_t memory, std::string directory)
    : memory_(memory), directory_(std::move(directory)) {}

bool FeatureStore::read(const RowKey& key, std::span<std::byte> to) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  const Entry& entry = found->second;
  if (entry.bytes == nullptr) return read_all(file_.get(), to, entry.offset);
  std::memcpy(to.data(), entry.bytes.get(), to.size());
  return true;
}

void FeatureStore::write(RowKey key, std::span<const std::byte> bytes) {
  if (entries_.contains(key)) return;
  const size_t key_bytes = size_of(key);
  Entry entry;
  if (memory_bytes_ + key_bytes + bytes.size() <= memory_) {
    entry.bytes = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
    std::memcpy(entry.bytes.get(), bytes.data(), bytes.size());
    memory_bytes_ += bytes.size();
  } else {
    entry.offset = static_cast<int64_t>(file_bytes_);
    if (!append(bytes)) return;
  }
  entries_.emplace(std::move(key), std::move(entry));
  memory_bytes_ += key_bytes;
}

bool FeatureStore::append(std::span<const std::byte> bytes) {
  if (file_failed_) return false;
  file_failed_ = !open_file() || !write_all(file_.get(), bytes, static_cast<int64_t>(file_bytes_));
  if (!file_failed_) file_bytes_ += bytes.size();
  return !file_failed_;
}

bool FeatureStore::open_file() {
  if (file_.is_open()) return true;
  std::error_code no_folder;
  namespace fs = std::filesystem;
  const fs::path folder =
      directory_.empty() ? fs::temp_directory_path(no_folder) : fs::path(directory_);
  std::string path = (folder / "bertcnn-features-XXXXXX").string();
  file_ = Descriptor(::mkostemp(path.data(), O_CLOEXEC));  // for its owner's eyes only
  if (file_.is_open()) ::unlink(path.c_str());
  return file_.is_open();
}

FeatureStore::~FeatureStore() {
  clear();
}

void FeatureStore::clear() {
  file_ = {};
  file_bytes_ = 0;
  file_failed_ = false;
  if (entries_.empty()) return;
  entries_ = decltype(entries_)();
  memory_bytes_ = 0;
  ::malloc_trim(0);  // blocks of this size would else stay with the process
}

}  // namespace bertcnn::training
