// What torch.save writes: a zip archive with a pickle that refers to one entry for each storage.
#pragma once

#include "checkpoint/contents.h"
#include "checkpoint/file_view.h"

namespace bertcnn::checkpoint {

/// Reads a zip archive by torch.save, as state_dict.h says. Errors: `ERR_CHECKPOINT_FORMAT`.
/// Writing is declared in checkpoint.h.
Contents read_pytorch(FileView file);

}  // namespace bertcnn::checkpoint
