// Reading files that somebody else wrote.
#pragma once

#include <cstddef>
#include <string>

#include "descriptor.h"

namespace bertcnn {

struct RegularFile {
  Descriptor descriptor;
  size_t size;  // in bytes, when it was opened
};

/// Opens `path` for reading, without waiting where it is a pipe. Errors: `ERR_FILE_NOT_FOUND`;
/// `ERR_IO` with the system's reason, or where it is a directory, a pipe or a device.
RegularFile open_regular_file(const std::string& path);

/// The bytes of the file `path`. Errors: those of `open_regular_file`; `ERR_IO` where it has more
/// than `most_bytes` or is cut short while it is read.
std::string read_regular_file(const std::string& path, size_t most_bytes);

}  // namespace bertcnn
