// What the addon and libbertcnn_cuda know of each other before either trusts the other.
#pragma once

#include <cstdint>

namespace bertcnn::cuda {

class Operations;

/// Raised whenever `operations.h` changes: a library of another number is not used.
constexpr int32_t kInterfaceVersion = 1;

/// The first two fields keep their place in every version.
struct Entry {
  int32_t interface_version;
  const char* libtorch;  // the minor version that the library was built with, "2.14"
  const Operations* operations;
};

/// The library's only exported symbol.
using EntryPoint = const Entry* (*)();
constexpr const char* kEntryPoint = "bertcnn_cuda_entry";
constexpr const char* kLibraryName = "libbertcnn_cuda.so";

}  // namespace bertcnn::cuda
