// The libtorch that this process has loaded.
#pragma once

#include <string>

namespace bertcnn::binding {

/// "2.13.0", asked from the library itself, not from the headers that the addon was built with.
std::string libtorch_version();

}  // namespace bertcnn::binding
