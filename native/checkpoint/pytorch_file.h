// What torch.save writes: a zip archive with a pickle that refers to one entry for each storage.
#pragma once

#include <cstddef>
#include <span>

#include "checkpoint/contents.h"
#include "checkpoint/mapped_file.h"

namespace bertcnn::checkpoint {

/// Whether a file that starts with `bytes` is what torch.save wrote before PyTorch 1.6, or writes
/// with
/// `_use_new_zipfile_serialization=False`: pickles one after another.
bool is_legacy_pytorch(std::span<const std::byte> bytes);

/// Reads a zip archive by torch.save. Tensors that lie contiguously in their storage, shared or
/// not, stay in the map; others are copied into buffers, which together take no more than the file.
/// Errors: `ERR_CHECKPOINT_FORMAT`. Writing is declared in checkpoint.h.
Contents read_pytorch(MappedFile file);

}  // namespace bertcnn::checkpoint
