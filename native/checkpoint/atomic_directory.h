// A directory that appears complete, or stays as it was.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bertcnn::checkpoint {

/// Collects files in a staging folder; `commit()` makes them appear in `target` all at once. Files that
/// `target` holds beside them stay. Without a commit the destructor removes the staging folder, and the
/// parent folders that were made for it. A symbolic link to a directory is followed.
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
  /// Flushes everything to the disk and puts it in place. Where `target` exists, the two folders are
  /// exchanged in one step; where the file system cannot do that, the files are renamed one by one,
  /// config.json last, and renamed back if one fails.
  void commit();

 private:
  std::string target_;  // with symbolic links resolved
  std::string staging_;
  bool staged_inside_ = false;             // the staging folder lies in `target`, not beside it
  std::vector<std::string> made_parents_;  // outermost first
};

}  // namespace bertcnn::checkpoint
