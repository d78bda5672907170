#include "read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "error.h"

namespace bertcnn {
namespace {

[[noreturn]] void fail_reading(const std::string& path) {
  const int reason = errno;
  fail("ERR_IO", "cannot read ", path, ": ", std::generic_category().message(reason));
}

}  // namespace

RegularFile open_regular_file(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR) {
      fail("ERR_FILE_NOT_FOUND", "no such file: ", path);
    }
    fail_reading(path);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    fail_reading(path);
  }
  if (!S_ISREG(status.st_mode)) {
    fail("ERR_IO", "cannot read ", path, ": not a regular file");
  }
  return {std::move(file), static_cast<size_t>(status.st_size)};
}

std::string read_regular_file(const std::string& path, size_t most_bytes) {
  const RegularFile file = open_regular_file(path);
  if (file.size > most_bytes) {
    fail("ERR_IO", "cannot read ", path, ": it has ", file.size, " bytes, expected at most ",
         most_bytes);
  }
  std::string bytes(file.size, '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::read(file.descriptor.get(), bytes.data() + done, bytes.size() - done);
    if (count == 0) {
      fail("ERR_IO", "cannot read ", path, ": it was cut short meanwhile");
    }
    if (count < 0 && errno != EINTR) {
      fail_reading(path);
    }
    done += count > 0 ? static_cast<size_t>(count) : 0;
  }
  return bytes;
}

}  // namespace bertcnn
