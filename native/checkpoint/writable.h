// What both writers demand of tensors.
#pragma once

#include <span>
#include <string>

#include "checkpoint/tensor.h"

namespace bertcnn::checkpoint {

/// `ERR_INVALID_ARGUMENT` unless names are UTF-8 and unique and bytes fit shapes. `file` is for
/// messages.
void check_writable(const std::string& file, std::span<const Tensor> tensors);

}  // namespace bertcnn::checkpoint
