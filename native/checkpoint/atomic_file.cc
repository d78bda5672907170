#include "checkpoint/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "checkpoint/describe.h"
#include "checkpoint/staging.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

constexpr size_t buffer_size = size_t{1} << 16;

/// The permissions of the file that is replaced, or those of a new one.
mode_t permissions_for(const std::string& target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      return 0;
    }
    fail_io("write", target);
  }
  if (!S_ISREG(status.st_mode)) {
    fail("ERR_IO", "cannot write ", target, ": it is there and not a regular file");
  }
  return status.st_mode & 07777;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& target) : target_(resolve_links(target)) {
  const mode_t permissions = permissions_for(target_);
  const std::string folder = parent_of(target_);
  do {
    temporary_ = folder + "/" + temporary_name();
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) {
    temporary_.clear();
    fail_io("write", target_);
  }
  if (permissions != 0) {
    // Where the file belongs to somebody else this may fail; the new file's own permissions do
    // then.
    static_cast<void>(::fchmod(descriptor_, permissions));
  }
  pending_.reserve(buffer_size);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
  if (!temporary_.empty()) {
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (pending_.size() + bytes.size() <= buffer_size) {
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
    return;
  }
  flush();
  write_through(bytes);
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text)));
}

void AtomicFile::flush() {
  write_through(pending_);
  pending_.clear();
}

void AtomicFile::write_through(std::span<const std::byte> bytes) const {
  constexpr size_t largest_call = size_t{1} << 30;  // Linux writes no more than 2^31 at once
  while (!bytes.empty()) {
    const ssize_t written =
        ::write(descriptor_, bytes.data(), std::min(bytes.size(), largest_call));
    if (written < 0 && errno != EINTR) {
      fail_io("write", target_);
    }
    bytes = bytes.subspan(written > 0 ? static_cast<size_t>(written) : 0);
  }
}

void AtomicFile::commit() {
  flush();
  if (::fsync(descriptor_) != 0 || ::close(std::exchange(descriptor_, -1)) != 0 ||
      ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail_io("write", target_);
  }
  temporary_.clear();
  sync_folder(parent_of(target_));
}

}  // namespace bertcnn::checkpoint
