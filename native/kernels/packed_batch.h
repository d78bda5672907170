// A batch without padding: the sequences lie one after another.
#pragma once

#include <ATen/core/Tensor.h>

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/windows.h"

namespace bertcnn::kernels {

/// Texts whose sequences overlap: the windows that long ones were cut into. Of each window some
/// tokens are kept, and those of a text's windows, one after another, are the text.
struct TextWindows {
  /// The tokens `[begin, end)` of a window.
  struct Kept {
    int64_t begin;
    int64_t end;
  };
  std::vector<Kept> kept;              // of each sequence
  std::vector<int64_t> offsets = {0};  // text i is the sequences offsets[i] .. offsets[i + 1] - 1

  int64_t texts() const { return static_cast<int64_t>(offsets.size()) - 1; }
};

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
  at::Tensor device_offsets;                   // [B + 1] int32 beside the tokens, on a card only
  int64_t longest_length = 0;                  // of any sequence, or more; 0: not known
  std::shared_ptr<const TextWindows> windows;  // null: each sequence is a text

  int64_t sequences() const { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t tokens() const { return offsets.back(); }
  int64_t length(int64_t sequence) const { return offsets[sequence + 1] - offsets[sequence]; }
  /// Tokens of the longest sequence, or more where `longest_length` says so.
  int64_t longest() const;
  /// `offsets` on `device`, as a card's kernels read them.
  at::Tensor offsets_on(at::Device device) const;
  /// How many rows of logits there will be.
  int64_t texts() const { return windows ? windows->texts() : sequences(); }
  /// A view of sequence b as a batch of its own.
  PackedBatch sequence(int64_t b) const { return slice(b, b + 1); }
  /// A view of the sequences `first` .. `end` - 1 as a batch of its own. Of `windows` it has what
  /// is kept, and no texts.
  PackedBatch slice(int64_t first, int64_t end) const;
  /// Where the texts `first` .. `end` - 1 lie once what is kept of their windows is put together:
  /// a batch of offsets only. Without `windows` it is where they lie now.
  PackedBatch joined(int64_t first, int64_t end) const;
  PackedBatch joined() const { return joined(0, texts()); }
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

  /// The same for a long text: its windows, each of which begins with the text's first token and
  /// ends with its last one and is a text by its positions. `windows` are of the tokens between.
  void add_windows(std::span<const int32_t> input_ids, std::span<const int32_t> token_type_ids,
                   std::span<const Window> windows);

  PackedBatch build(c10::Device device) const;

 private:
  void end_sequence(TextWindows::Kept kept);

  std::vector<int64_t> input_ids_;
  std::vector<int64_t> token_type_ids_;
  std::vector<int64_t> position_ids_;
  std::vector<uint8_t> key_mask_;
  std::vector<int64_t> offsets_ = {0};
  TextWindows windows_;
  bool has_windows_ = false;
};

/// Copies host values to a tensor `[values.size()]` of int64 on `device`.
at::Tensor to_tensor(std::span<const int64_t> values, c10::Device device);
/// The same for flags, as bool.
at::Tensor to_tensor(std::span<const uint8_t> flags, c10::Device device);

}  // namespace bertcnn::kernels
