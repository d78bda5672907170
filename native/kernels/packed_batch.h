// A batch without padding: the sequences lie one after another.
#pragma once

#include <ATen/core/Tensor.h>

#include <c10/core/Device.h>

#include <cstdint>
#include <span>
#include <vector>

namespace bertcnn::kernels {

/// T tokens of B sequences. Sequence b holds the tokens offsets[b] .. offsets[b + 1] - 1.
///
/// `padding: "include"` is the same structure: its pad positions are tokens (queries) like others,
/// all sequences have one length, and `key_mask` tells which tokens may be attended to.
struct PackedBatch {
  at::Tensor input_ids;       // [T] int64
  at::Tensor token_type_ids;  // [T] int64
  at::Tensor position_ids;    // [T] int64
  at::Tensor key_mask;        // [T] bool; undefined: every token is a key
  std::vector<int64_t> offsets = {0};

  int64_t sequences() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t tokens() const { return offsets.back(); }
  int64_t length(int64_t sequence) const { return offsets[sequence + 1] - offsets[sequence]; }
  /// A view of sequence b as a batch of its own.
  PackedBatch sequence(int64_t b) const;
};

/// Collects sequences on the host and lays them one after another.
class PackedBatchBuilder {
 public:
  /// Appends a sequence. The spans have one length, 1 or more.
  void add(std::span<const int32_t> input_ids, std::span<const int32_t> token_type_ids,
           std::span<const int32_t> position_ids);
  /// The same with a mask: 1 for a token that may be attended to, 0 for a pad position. In one
  /// batch either every sequence has a mask or none.
  void add(std::span<const int32_t> input_ids, std::span<const int32_t> token_type_ids,
           std::span<const int32_t> position_ids, std::span<const int32_t> attention_mask);

  PackedBatch build(c10::Device device) const;

 private:
  std::vector<int64_t> input_ids_;
  std::vector<int64_t> token_type_ids_;
  std::vector<int64_t> position_ids_;
  std::vector<uint8_t> key_mask_;
  std::vector<int64_t> offsets_ = {0};
};

/// Copies host values to a tensor `[values.size()]` of int64 on `device`.
at::Tensor to_tensor(std::span<const int64_t> values, c10::Device device);
/// The same for flags, as bool.
at::Tensor to_tensor(std::span<const uint8_t> flags, c10::Device device);

}  // namespace bertcnn::kernels
