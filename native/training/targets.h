// From labels as a caller gives them to the tensors that the losses take.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <span>

namespace bertcnn::training {

/// `[rows]` int64, each from 0 to classes - 1. ERR_INVALID_LABELS names row and value.
at::Tensor class_targets(std::span<const int64_t> labels, int64_t rows, int64_t classes,
                         c10::Device device);

/// `[rows, width]` float: from 0 to 1 where they are probabilities, else finite. ERR_INVALID_LABELS
/// names row, label and value.
at::Tensor float_targets(std::span<const float> labels, int64_t rows, int64_t width,
                         bool probabilities, c10::Device device);

}  // namespace bertcnn::training
