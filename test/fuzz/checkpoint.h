// What must hold of every checkpoint that is read without an error.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "descriptor.h"
#include "support.h"

namespace bertcnn::fuzz {

/// A file that is nowhere but in memory and still has a path.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes)
      : descriptor_(::memfd_create(file_name, MFD_CLOEXEC)) {
    require(::write(descriptor_.get(), bytes.data(), bytes.size()) ==
                static_cast<ssize_t>(bytes.size()),
            "a file in memory can be written");
  }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_.get()); }

 private:
  Descriptor descriptor_;
};

inline std::vector<float> as_float32(const checkpoint::Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.numel()));
  checkpoint::copy_as_float32(tensor, values.data());
  return values;
}

inline void check_tensor(const checkpoint::Tensor& tensor) {
  require(tensor.shape.size() <= checkpoint::most_dimensions, "there are few dimensions");
  const auto size = static_cast<size_t>(tensor.numel()) * checkpoint::size_of(tensor.dtype);
  require(checkpoint::byte_count(tensor.dtype, tensor.shape) == size,
          "a tensor has the elements of its shape");
  require(tensor.stride.empty() ? tensor.bytes.size() == size : tensor.bytes.size() >= size,
          "a tensor has the bytes of its type and shape");
  // A copy touches all of them, so that the sanitizer sees a bad one.
  const std::vector<std::byte> touched(tensor.bytes.begin(), tensor.bytes.end());
  require(touched.size() == tensor.bytes.size(), "a tensor's bytes can be copied");
  if (checkpoint::is_floating_point(tensor.dtype)) {
    as_float32(tensor);
  }
}

/// A file with these bytes is read as they are in memory.
inline void check_same_from_file(const checkpoint::Checkpoint& expected,
                                 std::span<const std::byte> bytes) {
  const MemoryFile file(bytes);
  const checkpoint::Checkpoint found = checkpoint::Checkpoint::open(file.path());
  require(found.tensors().size() == expected.tensors().size(), "a file has the same tensors");
  for (size_t i = 0; i < found.tensors().size(); ++i) {
    const checkpoint::Tensor& a = expected.tensors()[i];
    const checkpoint::Tensor& b = found.tensors()[i];
    require(a.name == b.name && a.dtype == b.dtype && a.shape == b.shape,
            "a file's tensors have the same names, types and shapes");
    if (checkpoint::is_floating_point(a.dtype) && a.numel() > 0) {
      const std::vector<float> x = as_float32(a);
      const std::vector<float> y = as_float32(b);
      require(std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0,
              "a file's tensors have the same values");
    }
  }
}

/// Reads a checkpoint, which may take `memory` bytes, and all its tensors.
inline void check_checkpoint(std::span<const std::byte> bytes, size_t memory) {
  const bool is_checkpoint = reads({"ERR_CHECKPOINT_FORMAT"}, [&] {
    const MemoryLimit limit(memory);
    checkpoint::Checkpoint::read(bytes, file_name);
  });
  if (!is_checkpoint) {
    return;
  }
  const checkpoint::Checkpoint checkpoint = checkpoint::Checkpoint::read(bytes, file_name);
  for (const checkpoint::Tensor& tensor : checkpoint.tensors()) {
    check_tensor(tensor);
    require(checkpoint.find(tensor.name) == &tensor, "a tensor is found by its name");
  }
  check_same_from_file(checkpoint, bytes);
}

}  // namespace bertcnn::fuzz
