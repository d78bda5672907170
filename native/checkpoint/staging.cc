#include "checkpoint/staging.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>
#include <sstream>
#include <system_error>

#include "checkpoint/describe.h"
#include "error.h"

namespace bertcnn::checkpoint {

namespace fs = std::filesystem;

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
  name << ".bertcnn-" << std::hex << random() << random() << ".tmp";
  return name.str();
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
