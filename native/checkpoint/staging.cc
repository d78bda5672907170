#include "checkpoint/staging.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>
#include <sstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "checkpoint/describe.h"
#include "descriptor.h"
#include "error.h"

namespace bertcnn::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view name_start = ".bertcnn-";
constexpr std::string_view name_end = ".tmp";

/// A lock, not a process's number in the name: numbers mean nothing to the other containers, or
/// machines, that share a folder.
bool lock(int descriptor) {
  return ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
}

void remove_if_abandoned(const fs::path& path) {
  const Descriptor file(
      ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  std::error_code ignored;
  if (file.is_open() && lock(file.get())) {
    fs::remove_all(path, ignored);
  }
}

bool is_temporary(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  std::error_code error;
  const fs::file_status status = entry.symlink_status(error);
  return name.starts_with(name_start) && name.ends_with(name_end) &&
         (fs::is_directory(status) || fs::is_regular_file(status));
}

}  // namespace

std::string resolve_links(const std::string& path) {
  constexpr int most_links = 40;  // as the kernel has it
  fs::path current = path;
  if (!current.has_filename() && current.has_parent_path()) {
    current = current.parent_path();  // a slash at the end
  }
  for (int i = 0; i < most_links; ++i) {
    std::error_code error;
    const fs::path link = fs::read_symlink(current, error);
    if (error) {
      return current.string();  // no link
    }
    current = link.is_absolute() ? link : current.parent_path() / link;
  }
  errno = ELOOP;
  fail_io("write", path);
}

std::string parent_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

std::string temporary_name() {
  std::random_device random;
  std::ostringstream name;
  name << name_start << std::hex << random() << random() << name_end;
  return name.str();
}

bool claim(int descriptor, const std::string& path) {
  if (!lock(descriptor) && errno == EWOULDBLOCK) {
    return false;
  }
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

void remove_abandoned(const std::string& folder) noexcept {
  try {
    std::vector<fs::path> found;
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      if (is_temporary(*entries)) {
        found.push_back(entries->path());
      }
    }
    for (const fs::path& path : found) {
      remove_if_abandoned(path);
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // No memory: a later save removes them.
  }
}

bool keep_permissions(int descriptor, const struct stat& old) {
  mode_t mode = old.st_mode & 07777;
  const bool owned = ::fchown(descriptor, old.st_uid, old.st_gid) == 0;
  if (!owned) {
    mode &= 01777;
    constexpr auto same_owner = static_cast<uid_t>(-1);
    if (::fchown(descriptor, same_owner, old.st_gid) != 0) {
      // Another group than the old one may do what everybody may.
      mode &= ~static_cast<mode_t>(S_IRWXG) | ((mode & S_IRWXO) << 3);
    }
  }
  return ::fchmod(descriptor, mode) == 0 && owned;
}

bool is_mount_point(const std::string& folder) {
#ifdef STATX_ATTR_MOUNT_ROOT  // from Linux 5.8 on; the only sign of a folder mounted elsewhere
  struct statx mount {};
  if (::statx(AT_FDCWD, folder.c_str(), 0, 0, &mount) == 0 &&
      (mount.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
    return true;
  }
#endif
  struct stat status {};
  struct stat parent {};
  return ::stat(folder.c_str(), &status) != 0 || ::stat(parent_of(folder).c_str(), &parent) != 0 ||
         status.st_dev != parent.st_dev;
}

void sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) {
    // Some file systems cannot sync a folder; the files themselves have been.
    static_cast<void>(::fsync(descriptor));
    ::close(descriptor);
  }
}

}  // namespace bertcnn::checkpoint
