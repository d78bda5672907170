#include "checkpoint/mapped_file.h"

#include <sys/mman.h>

#include <utility>

#include "checkpoint/describe.h"
#include "read_file.h"

namespace bertcnn::checkpoint {
namespace {

std::span<const std::byte> map(const std::string& path) {
  const RegularFile file = open_regular_file(path);
  if (file.size == 0) {
    return {};
  }
  void* const start = ::mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (start == MAP_FAILED) {
    fail_io("map", path);
  }
  return {static_cast<const std::byte*>(start), file.size};
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path), bytes_(map(path)) {}

MappedFile::MappedFile(std::string name, std::span<const std::byte> bytes)
    : path_(std::move(name)), bytes_(bytes), mapped_(false) {}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(std::exchange(other.bytes_, {})),
      mapped_(other.mapped_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

MappedFile::~MappedFile() {
  if (mapped_ && !bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

}  // namespace bertcnn::checkpoint
