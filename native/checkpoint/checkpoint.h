// Reading and writing the files that hold a model's weights: safetensors and PyTorch's files.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor.h"

namespace bertcnn::checkpoint {

struct Contents;

/// The tensors of a file, or of a directory's file or shards, which stay open as long as it lives,
/// wherever it is moved. Where tensors are of a file, `copy_as_float32` and `TensorBytes` read
/// their bytes.
class Checkpoint {
 public:
  /// Opens a file, told apart by its content and not by its ending: safetensors, or what
  /// `torch.save` writes, as a zip archive or in its old format (a state dict, or a dict that holds
  /// one under `state_dict`, `model_state_dict` or `model`). Or a directory, in which the first of
  /// these is opened: model.safetensors, model.safetensors.index.json, pytorch_model.bin,
  /// pytorch_model.bin.index.json.
  ///
  /// Everything a file says of itself is checked against its size. Errors: `ERR_FILE_NOT_FOUND`,
  /// `ERR_IO`, and `ERR_CHECKPOINT_FORMAT` with the file, the name or offset, and the reason.
  static Checkpoint open(const std::string& path);
  /// Reads a file of either format that lies in memory. `bytes` must outlive the Checkpoint; `name`
  /// stands for the path in errors.
  static Checkpoint read(std::span<const std::byte> bytes, const std::string& name);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  /// In file order, shard after shard. Names are unique and as in the file.
  const std::vector<Tensor>& tensors() const;
  /// The tensor called `name`, or null.
  const Tensor* find(std::string_view name) const;
  /// A safetensors file's `__metadata__`; of shards, the first one's. Empty for PyTorch files.
  const Metadata& metadata() const;

 private:
  Checkpoint(Contents contents, const std::string& path);
  static Checkpoint open_shards(const std::string& folder, const std::string& index_path);

  std::unique_ptr<Contents> contents_;
  std::vector<size_t> by_name_;  // indices of tensors, sorted by name
};

/// Writes `tensor` to `out` (`numel()` values, in row-major order) as float32. float16 and bfloat16
/// are widened exactly, float64 is rounded to nearest. Other types: `ERR_CHECKPOINT_MISMATCH`.
/// `ERR_IO` where the tensor's file can no longer be read to its end.
void copy_as_float32(const Tensor& tensor, float* out);

/// A tensor's bytes, from its first element to its last: where they are in memory, else read from
/// its file. Errors: `ERR_IO`.
class TensorBytes {
 public:
  explicit TensorBytes(const Tensor& tensor);
  TensorBytes(const TensorBytes&) = delete;
  TensorBytes& operator=(const TensorBytes&) = delete;

  std::span<const std::byte> get() const { return bytes_; }

 private:
  std::unique_ptr<std::byte[]> read_;
  std::span<const std::byte> bytes_;
};

/// A tensor, and room for its `numel()` values.
struct Copy {
  const Tensor* from;
  float* to;
};

/// Does all of them, each as above, by up to `threads` threads, the calling one among them, which
/// asks `cancelled` now and then: `ERR_CANCELLED`, with some of them done.
void copy_as_float32(std::span<const Copy> copies, size_t threads,
                     const std::function<bool()>& cancelled = {});

/// Writes a safetensors file, atomically: `file` appears complete or stays as it was. transformers
/// wants
/// `{"format", "pt"}` in `metadata`. Errors: `ERR_IO` with path and reason, `ERR_INVALID_ARGUMENT`
/// for tensors that no reader would take (a name twice, bytes that do not fit the shape).
void write_safetensors(const std::string& file, std::span<const Tensor> tensors,
                       const Metadata& metadata);

/// Writes an OrderedDict of contiguous CPU tensors as `torch.save` does, atomically. torch.load
/// reads it with `weights_only=True` and with `mmap=True`; errors as for write_safetensors.
void write_pytorch(const std::string& file, std::span<const Tensor> tensors);

}  // namespace bertcnn::checkpoint
