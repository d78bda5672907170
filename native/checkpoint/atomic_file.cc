#include "checkpoint/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "checkpoint/describe.h"
#include "checkpoint/staging.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

constexpr size_t buffer_size = size_t{1} << 16;

/// The file that is replaced, if there is one.
std::optional<struct stat> file_at(const std::string& target) {
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      return std::nullopt;
    }
    fail_io("write", target);
  }
  if (!S_ISREG(status.st_mode)) {
    fail("ERR_IO", "cannot write ", target, ": it is there and not a regular file");
  }
  return status;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& target) : target_(resolve_links(target)) {
  const std::optional<struct stat> old = file_at(target_);
  remove_abandoned(parent_of(target_));
  pending_.reserve(buffer_size);
  open_temporary(old ? 0600 : 0666);  // last: a constructor that throws has no destructor
  if (old) {
    static_cast<void>(keep_permissions(descriptor_.get(), *old));  // as far as is allowed
  }
}

void AtomicFile::open_temporary(mode_t permissions) {
  const std::string folder = parent_of(target_);
  while (true) {
    std::string path = folder + "/" + temporary_name();
    descriptor_ =
        Descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions));
    if (!descriptor_.is_open() && errno != EEXIST) {
      fail_io("write", target_);
    }
    if (descriptor_.is_open() && claim(descriptor_.get(), path)) {
      temporary_ = std::move(path);
      return;
    }
  }
}

AtomicFile::~AtomicFile() {
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
        ::write(descriptor_.get(), bytes.data(), std::min(bytes.size(), largest_call));
    if (written < 0 && errno != EINTR) {
      fail_io("write", target_);
    }
    bytes = bytes.subspan(written > 0 ? static_cast<size_t>(written) : 0);
  }
}

void AtomicFile::commit() {
  flush();
  const std::string folder = parent_of(target_);  // nothing may fail once the file is in place
  // Renamed while open, since closing ends the claim.
  if (::fsync(descriptor_.get()) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail_io("write", target_);
  }
  temporary_.clear();
  descriptor_ = Descriptor();
  sync_folder(folder);
}

}  // namespace bertcnn::checkpoint
