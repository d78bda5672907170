#include "checkpoint/writable.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "checkpoint/describe.h"
#include "error.h"
#include "json.h"

namespace bertcnn::checkpoint {

void check_writable(const std::string& file, std::span<const Tensor> tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const Tensor& tensor : tensors) {
    if (!json::is_utf8(tensor.name)) {
      fail("ERR_INVALID_ARGUMENT", "cannot write ", file, ": the name ", quoted(tensor.name),
           " is not UTF-8");
    }
    if (!tensor.stride.empty() || byte_count(tensor.dtype, tensor.shape) != tensor.bytes.size()) {
      fail("ERR_INVALID_ARGUMENT", "cannot write ", file, ": the tensor ", quoted(tensor.name),
           " of type ", name_of(tensor.dtype), " and shape ", shape_text(tensor.shape), " has ",
           tensor.bytes.size(), " bytes", tensor.stride.empty() ? "" : " that are not contiguous");
    }
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    fail("ERR_INVALID_ARGUMENT", "cannot write ", file, ": the name ", quoted(*twice),
         " is given twice");
  }
}

}  // namespace bertcnn::checkpoint
