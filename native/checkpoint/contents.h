// What a reader of one file format hands over: tensors and what keeps their bytes alive.
#pragma once

#include <vector>

#include "checkpoint/mapped_file.h"
#include "checkpoint/tensor.h"

namespace bertcnn::checkpoint {

struct Contents {
  std::vector<Tensor> tensors;
  Metadata metadata;
  std::vector<MappedFile> files;
};

}  // namespace bertcnn::checkpoint
