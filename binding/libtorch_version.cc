#include "libtorch_version.h"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <cstdint>

namespace bertcnn::binding {

std::string libtorch_version() {
  // Major, minor and patch are the three highest bytes: the one version that libtorch exports as
  // code.
  const uint64_t version = aoti_torch_abi_version();
  std::string text;
  for (const int shift : {56, 48, 40}) {
    if (!text.empty()) text += '.';
    text += std::to_string((version >> shift) & 0xff);
  }
  return text;
}

}  // namespace bertcnn::binding
