// Pickles in a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "checkpoint/file_view.h"
#include "checkpoint/pickle.h"

namespace bertcnn::checkpoint {

/// As `read_pickle` with the bytes of a part of `file`, of which hardly more is fetched than the
/// pickle takes: how long it is is known once it is read. Errors: `ERR_IO`, too.
Pickle fetch_pickle(const FileView& file, std::span<const std::byte> part,
                    const std::string& source, size_t memory, uint64_t begin = 0);

}  // namespace bertcnn::checkpoint
