#include "checkpoint/atomic_directory.h"

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

/// Makes the folders of `path` that are missing and names them, outermost first.
std::vector<std::string> make_folders(const fs::path& path) {
  std::vector<std::string> made;
  fs::path current;
  for (const fs::path& part : path) {
    current /= part;
    if (::mkdir(current.c_str(), 0777) == 0) {
      made.push_back(current.string());
      continue;
    }
    const int reason = errno;
    std::error_code error;
    if (!fs::is_directory(current, error)) {
      remove_folders(made);
      errno = reason == EEXIST ? ENOTDIR : reason;
      fail_io("make the folder", current.string());
    }
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
    const std::string fresh = staging_ + "/" + name;
    const std::string old = target_ + "/" + name;
    std::string backup;
    if (exists(old)) {
      if (exchange_paths(fresh, old)) {
        done_.push_back({old, fresh});
        return;
      }
      backup = staging_ + "/" + temporary_name();
      back_up(old, backup);
    }
    if (::rename(fresh.c_str(), old.c_str()) != 0) {
      fail_io("write", old);
    }
    done_.push_back({old, backup});
  }

  void undo() {
    for (auto step = done_.rbegin(); step != done_.rend(); ++step) {
      std::error_code ignored;
      if (step->backup.empty()) {
        fs::remove(step->path, ignored);
      } else {
        fs::rename(step->backup, step->path, ignored);
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
    made_parents_ = make_folders(parent_of(target_));
    make_staging(parent_of(target_));
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
    const std::string path = parent + "/" + temporary_name();
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
      staging_ = path;
      return true;
    }
  }
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!staging_.empty()) {
    fs::remove_all(staging_, ignored);
  }
  remove_folders(made_parents_);
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
  if (!appear() && !exchange(names)) {
    replace_files(names);
    sync_folder(target_);
  }
  sync_folder(parent_of(target_));
  made_parents_.clear();
  std::error_code ignored;  // what is left there is the old directory, or nothing
  fs::remove_all(std::exchange(staging_, ""), ignored);
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
