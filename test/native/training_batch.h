// What the tests of training train on: rows of different lengths with a class each.
#pragma once

#include <cstdint>
#include <vector>

#include "random_model.h"
#include "training/targets.h"

namespace bertcnn::testing {

inline const Rows kTrainedRows = {{2, 9, 3}, {2, 10, 11, 12, 13, 14, 3}, {2, 7, 8, 3}};

/// Of two classes.
inline at::Tensor classes(const std::vector<int64_t>& labels) {
  return training::class_targets(labels, static_cast<int64_t>(labels.size()), 2, at::kCPU);
}

/// Of `kTrainedRows`.
inline at::Tensor trained_classes() {
  return classes({0, 1, 1});
}

}  // namespace bertcnn::testing
