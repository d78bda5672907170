// The safetensors format: the length of a JSON header in 8 bytes, the header, the tensors' bytes.
#pragma once

#include "checkpoint/contents.h"
#include "checkpoint/file_view.h"

namespace bertcnn::checkpoint {

/// Reads the header and checks all it says against the file: the tensors' bytes must follow each
/// other from the header's end to the file's, without holes or overlaps. Errors:
/// `ERR_CHECKPOINT_FORMAT`. Writing is declared in checkpoint.h.
Contents read_safetensors(FileView file);

}  // namespace bertcnn::checkpoint
