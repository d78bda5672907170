// A directory that appears complete, or stays as it was.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "descriptor.h"

namespace bertcnn::checkpoint {

/// Collects files in a staging folder; `commit()` makes them appear in `target` at once. What
/// `target` holds beside them stays. Without a commit the destructor removes the staging folder,
/// and the parent folders that were made for it; what a killed process left is removed by the next
/// one. A symbolic link to a directory is followed.
///
/// Nobody else can read the staging folder. A file that replaces another has its permissions, and
/// its owner and group where the system allows it, and so has the directory.
///
///     AtomicDirectory directory("out/model");
///     directory.write("config.json", text);
///     write_safetensors(directory.path("model.safetensors"), tensors, {{"format", "pt"}});
///     directory.commit();
///
/// All errors are `ERR_IO` with the path and the system's reason.
class AtomicDirectory {
 public:
  /// Makes the staging folder, and `target`'s parents where missing.
  explicit AtomicDirectory(const std::string& target);
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;
  ~AtomicDirectory();

  /// Where to write the file that will be `target/name`. `name` is a plain file name.
  std::string path(std::string_view name) const;
  /// Writes the file `target/name`.
  void write(std::string_view name, std::string_view contents) const;
  /// Flushes everything to the disk and puts it in place.
  ///
  /// A new target appears by one renaming. One that holds only files is exchanged, in one step, for
  /// the staging folder with hard links to its other files. One that holds folders, is the working
  /// directory or a mount point, has an owner or a group that could not be kept, or lies where
  /// neither links nor exchanging work, keeps its identity: its files are replaced one by one,
  /// config.json last, and put back if one fails.
  void commit();

 private:
  bool make_staging(const std::string& parent);
  void remove_staging() noexcept;
  void finish_file(const std::string& name) const;
  bool appear() const;
  bool exchange(const std::vector<std::string>& names) const;
  void replace_files(std::vector<std::string> names) const;

  std::string target_;  // with symbolic links resolved
  std::string staging_;
  Descriptor open_staging_;                // claims it
  mode_t new_mode_ = 0;                    // of a directory that replaces none
  std::vector<std::string> made_parents_;  // outermost first
};

}  // namespace bertcnn::checkpoint
