#include "checkpoint/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "checkpoint/describe.h"
#include "error.h"
#include "read_file.h"

namespace bertcnn::checkpoint {
void read_at(const OpenFile& file, uint64_t offset, std::span<std::byte> to) {
  constexpr size_t largest_call = size_t{1} << 30;  // Linux reads no more than 2^31 at once
  while (!to.empty()) {
    const ssize_t count = ::pread(file.descriptor.get(), to.data(),
                                  std::min(to.size(), largest_call), static_cast<off_t>(offset));
    if (count == 0) {
      fail("ERR_IO", "cannot read ", file.path, ": it was cut short meanwhile");
    }
    if (count < 0 && errno != EINTR) {
      fail_io("read", file.path);
    }
    const auto done = static_cast<size_t>(std::max<ssize_t>(count, 0));
    offset += done;
    to = to.subspan(done);
  }
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  RegularFile file = open_regular_file(path);
  if (file.size == 0) {
    return;
  }
  void* const start = ::mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (start == MAP_FAILED) {
    fail_io("map", path);
  }
  bytes_ = {static_cast<const std::byte*>(start), file.size};
  open_ = std::make_shared<const OpenFile>(OpenFile{path, std::move(file.descriptor)});
}

MappedFile::MappedFile(std::string name, std::span<const std::byte> bytes)
    : path_(std::move(name)), bytes_(bytes) {}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(std::exchange(other.bytes_, {})),
      open_(std::move(other.open_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(open_, other.open_);
  return *this;
}

void MappedFile::forget_pages() const {
  if (open_ != nullptr) {
    ::madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
  }
}

MappedFile::~MappedFile() {
  if (open_ != nullptr) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

}  // namespace bertcnn::checkpoint
