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

/// Makes a new folder in `parent`; "" with errno where that fails.
std::string make_staging(const std::string& parent) {
  while (true) {
    std::string path = parent + "/" + temporary_name();
    if (::mkdir(path.c_str(), 0777) == 0) {
      return path;
    }
    if (errno != EEXIST) {
      return "";
    }
  }
}

/// A mount point cannot be renamed, and nothing can be renamed across it.
bool on_same_device(const std::string& a, const std::string& b) {
  struct stat status_a {};
  struct stat status_b {};
  return ::stat(a.c_str(), &status_a) == 0 && ::stat(b.c_str(), &status_b) == 0 &&
         status_a.st_dev == status_b.st_dev;
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

void sync_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool good = descriptor >= 0 && ::fsync(descriptor) == 0;
  if (!good) {
    fail_io("write", path);
  }
  ::close(descriptor);
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
    if (on_same_device(target_, parent_of(target_))) {
      staging_ = make_staging(parent_of(target_));
    }
    if (staging_.empty()) {
      staging_ = make_staging(target_);  // its parent may be read-only, or another file system
    }
  } else {
    made_parents_ = make_folders(parent_of(target_));
    staging_ = make_staging(parent_of(target_));
  }
  if (staging_.empty()) {
    const int reason = errno;
    remove_folders(made_parents_);
    errno = reason;
    fail_io("write the directory", target);
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

void AtomicDirectory::commit() {
  const std::vector<std::string> names = names_in(staging_);
  for (const std::string& name : names) {
    sync_file(staging_ + "/" + name);
  }
  sync_folder(staging_);
  if (!exists(target_)) {
    if (::rename(staging_.c_str(), target_.c_str()) != 0) {
      fail_io("write the directory", target_);
    }
  } else if (!exchange(names)) {
    replace_files(names);
    sync_folder(target_);
  }
  sync_folder(parent_of(target_));
  made_parents_.clear();
  std::error_code ignored;  // what is left there is the old directory, or nothing
  fs::remove_all(std::exchange(staging_, ""), ignored);
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
         ::chmod(staging_.c_str(), status.st_mode & 07777) == 0 &&
         exchange_paths(staging_, target_);
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
