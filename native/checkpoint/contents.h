// What a reader of one file format hands over: tensors and what keeps their bytes alive.
#pragma once

#include <vector>

#include "checkpoint/file_view.h"
#include "checkpoint/tensor.h"

namespace bertcnn::checkpoint {

struct Contents {
  std::vector<Tensor> tensors;
  Metadata metadata;
  std::vector<FileView> files;
};

}  // namespace bertcnn::checkpoint
