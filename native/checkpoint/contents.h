// What a reader of one file format hands over: tensors and what keeps their bytes alive.
#pragma once

#include <cstddef>
#include <vector>

#include "checkpoint/mapped_file.h"
#include "checkpoint/tensor.h"

namespace bertcnn::checkpoint {

struct Contents {
  std::vector<Tensor> tensors;
  Metadata metadata;
  std::vector<MappedFile> files;
  /// Bytes of tensors that a file does not hold contiguously.
  std::vector<std::vector<std::byte>> buffers;
};

}  // namespace bertcnn::checkpoint
