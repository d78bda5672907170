#include "checkpoint/atomic_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "checkpoint/atomic_file.h"
#include "checkpoint/describe.h"
#include "checkpoint/staging.h"
#include "error.h"

namespace bertcnn::checkpoint {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail_saving(const std::string& path, const std::error_code& reason) {
  fail("ERR_IO", "cannot write ", path, ": ", reason.message());
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

/// Exchanges what two paths name, in one step. False, with errno, where the system cannot.
bool exchange_paths(const std::string& a, const std::string& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

void remove_folders(std::vector<std::string>& outermost_first) noexcept {
  while (!outermost_first.empty()) {
    ::rmdir(outermost_first.back().c_str());
    outermost_first.pop_back();
  }
}

/// Removes a folder of files, if it is there. Takes no memory of ours: it may be what ran out.
void remove_flat_folder(const std::string& path) noexcept {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* const entries = descriptor < 0 ? nullptr : ::fdopendir(descriptor);
  if (entries == nullptr) {
    if (descriptor >= 0) {
      ::close(descriptor);
    }
    return;
  }
  while (const dirent* entry = ::readdir(entries)) {
    ::unlinkat(descriptor, entry->d_name, 0);  // not itself and its parent, which are folders
  }
  ::closedir(entries);
  ::rmdir(path.c_str());
}

/// Makes the folders of `path` that are missing and names them, outermost first.
std::vector<std::string> make_folders(const fs::path& path) {
  std::vector<std::string> made;
  try {
    fs::path current;
    for (const fs::path& part : path) {
      current /= part;
      std::string name = current.string();
      made.reserve(made.size() + 1);
      if (::mkdir(name.c_str(), 0777) == 0) {
        made.push_back(std::move(name));
        continue;
      }
      const int reason = errno;
      std::error_code error;
      if (!fs::is_directory(current, error)) {
        errno = reason == EEXIST ? ENOTDIR : reason;
        fail_io("make the folder", name);
      }
    }
  } catch (...) {
    remove_folders(made);
    throw;
  }
  return made;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    names.push_back(entries->path().filename().string());
  }
  if (error) {
    fail_saving(folder, error);
  }
  return names;
}

/// Replaces files one at a time and remembers how to undo it.
class Replacement {
 public:
  Replacement(const std::string& staging, const std::string& target)
      : staging_(staging), target_(target) {}

  void replace(const std::string& name) {
    std::string fresh = staging_ + "/" + name;
    std::string old = target_ + "/" + name;
    std::string backup;
    done_.reserve(done_.size() + 1);  // what is done must not lack the memory to be undone
    if (exists(old)) {
      if (exchange_paths(fresh, old)) {
        done_.push_back({std::move(old), std::move(fresh)});
        return;
      }
      backup = staging_ + "/" + temporary_name();
      back_up(old, backup);
    }
    if (::rename(fresh.c_str(), old.c_str()) != 0) {
      fail_io("write", old);
    }
    done_.push_back({std::move(old), std::move(backup)});
  }

  /// Takes no memory: it may be what ran out.
  void undo() noexcept {
    for (auto step = done_.rbegin(); step != done_.rend(); ++step) {
      if (step->backup.empty()) {
        ::unlink(step->path.c_str());
      } else {
        static_cast<void>(::rename(step->backup.c_str(), step->path.c_str()));
      }
    }
  }

 private:
  struct Step {
    std::string path;
    std::string backup;  // of what was there; empty: nothing
  };

  static void back_up(const std::string& path, const std::string& backup) {
    std::error_code error;
    fs::create_hard_link(path, backup, error);
    if (error) {
      fs::copy(path, backup, fs::copy_options::copy_symlinks, error);
    }
    if (error) {
      fail_saving(path, error);
    }
  }

  const std::string& staging_;
  const std::string& target_;
  std::vector<Step> done_;
};

}  // namespace

AtomicDirectory::AtomicDirectory(const std::string& target) : target_(resolve_links(target)) {
  if (exists(target_)) {
    std::error_code error;
    target_ = fs::canonical(target_, error).string();
    if (error || !fs::is_directory(target_, error)) {
      fail("ERR_IO", "cannot write the directory ", target, ": ",
           error ? error.message() : "it is there and not a directory");
    }
    remove_abandoned(target_);
    // Nothing can be renamed into a mount point from outside. And its parent may be read-only.
    if (is_mount_point(target_) || !make_staging(parent_of(target_))) {
      make_staging(target_);
    }
  } else {
    const std::string parent = parent_of(target_);
    made_parents_ = make_folders(parent);
    try {
      make_staging(parent);
    } catch (...) {
      remove_folders(made_parents_);
      throw;
    }
  }
  if (staging_.empty()) {
    const int reason = errno;
    remove_folders(made_parents_);
    errno = reason;
    fail_io("write the directory", target);
  }
}

/// Makes a new folder in `parent`; false with errno where that fails.
bool AtomicDirectory::make_staging(const std::string& parent) {
  remove_abandoned(parent);
  while (true) {
    std::string path = parent + "/" + temporary_name();
    if (::mkdir(path.c_str(), 0777) != 0) {
      if (errno == EEXIST) {
        continue;
      }
      return false;
    }
    // What it got is what a new directory gets; only making one shows the process's mask unchanged.
    struct stat status {};
    ::lstat(path.c_str(), &status);
    ::chmod(path.c_str(), S_IRWXU);
    open_staging_ =
        Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!open_staging_.is_open() && errno != ENOENT) {
      const int reason = errno;
      ::rmdir(path.c_str());
      errno = reason;
      return false;
    }
    if (open_staging_.is_open() && claim(open_staging_.get(), path)) {
      new_mode_ = status.st_mode & 07777;
      staging_ = std::move(path);
      return true;
    }
  }
}

AtomicDirectory::~AtomicDirectory() {
  remove_staging();
  remove_folders(made_parents_);
}

void AtomicDirectory::remove_staging() noexcept {
  if (!staging_.empty()) {
    remove_flat_folder(staging_);
    staging_.clear();
  }
}

std::string AtomicDirectory::path(std::string_view name) const {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos) {
    fail("ERR_INVALID_ARGUMENT", "expected a plain file name but received ", quoted(name));
  }
  return staging_ + "/" + std::string(name);
}

void AtomicDirectory::write(std::string_view name, std::string_view contents) const {
  AtomicFile file(path(name));
  file.write(contents);
  file.commit();
}

/// Flushes a file, with the permissions of the one that it is to replace.
void AtomicDirectory::finish_file(const std::string& name) const {
  const std::string path = staging_ + "/" + name;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    fail_io("write", path);
  }
  struct stat old {};
  if (::stat((target_ + "/" + name).c_str(), &old) == 0 && S_ISREG(old.st_mode)) {
    static_cast<void>(keep_permissions(file.get(), old));  // as far as is allowed
  }
  if (::fsync(file.get()) != 0) {
    fail_io("write", path);
  }
}

void AtomicDirectory::commit() {
  const std::vector<std::string> names = names_in(staging_);
  for (const std::string& name : names) {
    finish_file(name);
  }
  sync_folder(staging_);
  const std::string parent = parent_of(target_);  // nothing may fail once it is in place
  if (!appear() && !exchange(names)) {
    replace_files(names);
    sync_folder(target_);
  }
  sync_folder(parent);
  made_parents_.clear();
  remove_staging();  // what is left there is the old directory, or nothing
}

/// Puts the staging folder in the place of a target that is not there. False where one is.
bool AtomicDirectory::appear() const {
  if (exists(target_)) {
    return false;
  }
  static_cast<void>(::fchmod(open_staging_.get(), new_mode_));
  if (::rename(staging_.c_str(), target_.c_str()) == 0) {
    return true;
  }
  if (errno != ENOTEMPTY && errno != EEXIST) {  // another save made it meanwhile
    fail_io("write the directory", target_);
  }
  return false;
}

/// False, with the staging folder as before, where that is not possible or would do harm.
bool AtomicDirectory::exchange(const std::vector<std::string>& names) const {
  std::error_code error;
  const fs::path working = fs::current_path(error);
  if (parent_of(staging_) == target_ || (!error && fs::equivalent(working, target_, error))) {
    return false;
  }
  std::vector<std::string> linked;
  bool good = true;
  for (const std::string& name : names_in(target_)) {
    const std::string old = target_ + "/" + name;
    if (fs::is_directory(fs::symlink_status(old, error))) {
      good = false;  // its users would lose it from under their feet, and it may be huge
    } else if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string link = staging_ + "/" + name;
      good = good && ::link(old.c_str(), link.c_str()) == 0;
      linked.push_back(link);
    }
  }
  struct stat status {};
  good = good && ::stat(target_.c_str(), &status) == 0 &&
         keep_permissions(open_staging_.get(), status) && exchange_paths(staging_, target_);
  // Of what is to be removed, the old directory or the staging folder as it was.
  static_cast<void>(::chmod(staging_.c_str(), S_IRWXU));
  if (!good) {
    for (const std::string& link : linked) {
      fs::remove(link, error);
    }
  }
  return good;
}

void AtomicDirectory::replace_files(std::vector<std::string> names) const {
  for (const std::string& name : names) {
    std::error_code error;
    if (fs::is_directory(fs::symlink_status(target_ + "/" + name, error))) {
      fail("ERR_IO", "cannot write ", target_, "/", name, ": a folder is there");
    }
  }
  std::stable_partition(names.begin(), names.end(),
                        [](const std::string& name) { return name != "config.json"; });
  Replacement replacement(staging_, target_);
  try {
    for (const std::string& name : names) {
      replacement.replace(name);
    }
  } catch (...) {
    replacement.undo();
    throw;
  }
}

}  // namespace bertcnn::checkpoint
