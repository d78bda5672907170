// What atomic files and directories share: where to write, and making it last.
#pragma once

#include <sys/stat.h>

#include <string>

namespace bertcnn::checkpoint {

/// `path` with the symbolic links at its end followed, whether or not what they lead to exists.
std::string resolve_links(const std::string& path);

/// The folder that holds `path`; "." for a bare name.
std::string parent_of(const std::string& path);

/// A hidden, random name. Make it so that an existing one is an error, and try again with another.
std::string temporary_name();

/// Marks an open temporary as in use, until its descriptor is closed or the process ends. False
/// where somebody has just removed it as abandoned: make another then.
bool claim(int descriptor, const std::string& path);

/// Removes the temporaries in `folder` that nobody has claimed: what a killed process left there.
/// Where the file system knows no locks, nothing is removed.
void remove_abandoned(const std::string& folder) noexcept;

/// Gives an open file or folder the owner, the group and the permissions of the one that it is to
/// replace. False where not all of them can be kept; then nobody may do more than before.
bool keep_permissions(int descriptor, const struct stat& old);

/// Whether `folder` cannot be renamed because a file system, or a part of one, is mounted there.
bool is_mount_point(const std::string& folder);

/// Makes the names in `folder` last through a power failure, where the file system can.
void sync_folder(const std::string& folder);

}  // namespace bertcnn::checkpoint
