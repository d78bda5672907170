// Opens libbertcnn_cuda, which the addon does without until a CUDA device is looked for.
#pragma once

#include <string>
#include <string_view>

#include "cuda/host/entry.h"

namespace bertcnn::cuda {

/// The library, or why it is not there.
struct LoadedLibrary {
  const Entry* entry = nullptr;
  std::string missing;     // the reason and what to do about it; empty where there is an entry
  bool was_built = false;  // whether the file exists
};

/// Opens `file`, for the rest of the process. `libtorch` is the minor version that the caller was
/// built with, "2.14".
LoadedLibrary load_library(const std::string& file, std::string_view libtorch);

/// Where the library belongs: beside the binary that this function is in.
std::string library_file();

/// Why libtorch may find no card, for a sentence that says so: the NVIDIA driver is missing, or
/// there but without one.
std::string missing_card();

}  // namespace bertcnn::cuda
