// What atomic files and directories share: where to write, and making it last.
#pragma once

#include <string>

namespace bertcnn::checkpoint {

/// `path` with the symbolic links at its end followed, whether or not what they lead to exists.
std::string resolve_links(const std::string& path);

/// The folder that holds `path`; "." for a bare name.
std::string parent_of(const std::string& path);

/// A hidden, random name. Make it so that an existing one is an error, and try again with another.
std::string temporary_name();

/// Makes the names in `folder` last through a power failure, where the file system can.
void sync_folder(const std::string& folder);

}  // namespace bertcnn::checkpoint
