#include "kernels/packed_batch.h"

#include <ATen/ops/empty.h>

#include <algorithm>

namespace bertcnn::kernels {

PackedBatch PackedBatch::sequence(int64_t b) const {
  const auto part = [&](const at::Tensor& tokens) {
    return tokens.defined() ? tokens.narrow(0, offsets[b], length(b)) : tokens;
  };
  return {
      part(input_ids), part(token_type_ids), part(position_ids), part(key_mask), {0, length(b)}};
}

void PackedBatchBuilder::add(std::span<const int32_t> input_ids,
                             std::span<const int32_t> token_type_ids,
                             std::span<const int32_t> position_ids) {
  input_ids_.insert(input_ids_.end(), input_ids.begin(), input_ids.end());
  token_type_ids_.insert(token_type_ids_.end(), token_type_ids.begin(), token_type_ids.end());
  position_ids_.insert(position_ids_.end(), position_ids.begin(), position_ids.end());
  offsets_.push_back(static_cast<int64_t>(input_ids_.size()));
}

void PackedBatchBuilder::add(std::span<const int32_t> input_ids,
                             std::span<const int32_t> token_type_ids,
                             std::span<const int32_t> position_ids,
                             std::span<const int32_t> attention_mask) {
  add(input_ids, token_type_ids, position_ids);
  key_mask_.insert(key_mask_.end(), attention_mask.begin(), attention_mask.end());
}

PackedBatch PackedBatchBuilder::build(c10::Device device) const {
  PackedBatch batch;
  batch.input_ids = to_tensor(input_ids_, device);
  batch.token_type_ids = to_tensor(token_type_ids_, device);
  batch.position_ids = to_tensor(position_ids_, device);
  // Where every token is a key, as in a batch of one length, no mask is needed.
  if (std::find(key_mask_.begin(), key_mask_.end(), 0) != key_mask_.end()) {
    batch.key_mask = to_tensor(key_mask_, device);
  }
  batch.offsets = offsets_;
  return batch;
}

at::Tensor to_tensor(std::span<const int64_t> values, c10::Device device) {
  const at::Tensor host = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), host.mutable_data_ptr<int64_t>());
  return host.to(device);
}

at::Tensor to_tensor(std::span<const uint8_t> flags, c10::Device device) {
  const at::Tensor host = at::empty({static_cast<int64_t>(flags.size())}, at::kBool);
  std::copy(flags.begin(), flags.end(), host.mutable_data_ptr<bool>());
  return host.to(device);
}

}  // namespace bertcnn::kernels
