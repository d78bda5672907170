#include "training/targets.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "error.h"
#include "kernels/packed_batch.h"

namespace bertcnn::training {

at::Tensor class_targets(std::span<const int64_t> labels, int64_t rows, int64_t classes,
                         c10::Device device) {
  if (static_cast<int64_t>(labels.size()) != rows) {
    fail("ERR_INVALID_LABELS", "Expected ", rows, " labels, one a row, but received ",
         labels.size(), ".");
  }
  for (size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] < 0 || labels[row] >= classes) {
      fail("ERR_INVALID_LABELS", "Expected a class from 0 to ", classes - 1, " for row ", row,
           " but received ", labels[row], ".");
    }
  }
  return kernels::to_tensor(labels, device);
}

at::Tensor float_targets(std::span<const float> labels, int64_t rows, int64_t width,
                         bool probabilities, c10::Device device) {
  if (static_cast<int64_t>(labels.size()) != rows * width) {
    fail("ERR_INVALID_LABELS", "Expected ", rows, " x ", width, " target values but received ",
         labels.size(), ".");
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    const bool fits = probabilities ? labels[i] >= 0 && labels[i] <= 1 : std::isfinite(labels[i]);
    if (!fits) {
      fail("ERR_INVALID_LABELS", "Expected a ",
           probabilities ? "number from 0 to 1" : "finite number", " for row ", i / width,
           ", label ", i % width, " but received ", labels[i], ".");
    }
  }
  const at::Tensor host = at::empty({rows, width}, at::kFloat);
  std::copy(labels.begin(), labels.end(), host.mutable_data_ptr<float>());
  return host.to(device);
}

}  // namespace bertcnn::training
