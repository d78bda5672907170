// What torch.save wrote before PyTorch 1.6, and writes with _use_new_zipfile_serialization=False.
#pragma once

#include <cstddef>
#include <span>

#include "checkpoint/contents.h"
#include "checkpoint/file_view.h"

namespace bertcnn::checkpoint {

/// Whether a file that starts with `bytes` is one: its first pickle is a magic number.
bool is_legacy_pytorch(std::span<const std::byte> bytes);

/// Reads five pickles, one after another (the magic number, the format's version, what machine
/// wrote it, the object, the storages' keys in order), and behind them each storage: its number of
/// elements in eight bytes, then the elements. Errors: `ERR_CHECKPOINT_FORMAT`.
Contents read_legacy_pytorch(FileView file);

}  // namespace bertcnn::checkpoint
