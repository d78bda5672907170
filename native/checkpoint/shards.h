// The index of a checkpoint that is split into several files.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/file_view.h"

namespace bertcnn::checkpoint {

struct ShardIndex {
  /// Plain file names in the index's own folder, in the order in which they first appear.
  std::vector<std::string> files;
  /// Each tensor's name and the index of its file.
  std::vector<std::pair<std::string, size_t>> tensors;
};

/// Reads `model.safetensors.index.json` or its PyTorch sibling: an object whose `weight_map` gives
/// each tensor's file. Errors: `ERR_CHECKPOINT_FORMAT`, also where a file name would lead out of
/// the folder.
ShardIndex read_shard_index(const FileView& file);

}  // namespace bertcnn::checkpoint
