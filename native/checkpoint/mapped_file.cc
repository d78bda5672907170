#include "checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "checkpoint/describe.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  int get() const { return value_; }

 private:
  int value_;
};

std::span<const std::byte> map(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      fail("ERR_FILE_NOT_FOUND", "no such file: ", path);
    }
    fail_io("open", path);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    fail_io("read the size of", path);
  }
  if (!S_ISREG(status.st_mode)) {
    fail("ERR_IO", "cannot read ", path, ": not a regular file");
  }
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) {
    return {};
  }
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (start == MAP_FAILED) {
    fail_io("map", path);
  }
  return {static_cast<const std::byte*>(start), size};
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
