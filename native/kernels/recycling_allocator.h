// Memory for activations that is not given back to the system between two batches.
#pragma once

#include <cstddef>

namespace bertcnn::kernels {

/// From now on libtorch's tensors on the CPU get their memory from an allocator that keeps a few
/// freed blocks (of 256 KiB to 48 MiB, 128 MiB in all, process-wide) for the next tensor of about
/// that size: those that were used last. The C library would return such blocks to the system after
/// every layer and fault them in again, page by page, for the next. Later calls do nothing.
void install_recycling_allocator();

/// While one exists, freed blocks of any size are kept: every training step needs again what the
/// step before it needed. In all as much memory as was in use at once and a share of it on top (of
/// several that exist the largest share). With 0, part of what a step needs early is dropped for
/// what it needs late, which has other sizes.
class HeldMemory {
 public:
  explicit HeldMemory(double share_on_top);
  ~HeldMemory();
  HeldMemory(const HeldMemory&) = delete;
  HeldMemory& operator=(const HeldMemory&) = delete;
};

/// Gives the blocks that nobody uses back to the system.
void release_recycled_memory();

/// Bytes in the blocks that nobody uses now.
size_t recycled_bytes();

}  // namespace bertcnn::kernels
