#include "kernels/packed_batch.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <initializer_list>

namespace bertcnn::kernels {
namespace {

/// Memory of the host from which `device` copies while both go on. libtorch keeps it until the
/// copy is done, and for the next batch then.
at::Tensor staging(at::IntArrayRef sizes, at::ScalarType type, at::Device device) {
  return at::empty(sizes, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

at::Tensor copy_offsets(const std::vector<int64_t>& offsets, at::Device device) {
  const at::Tensor host = staging({static_cast<int64_t>(offsets.size())}, at::kInt, device);
  std::copy(offsets.begin(), offsets.end(), host.mutable_data_ptr<int32_t>());
  return host.to(device, /*non_blocking=*/device.is_cuda());
}

/// `[rows, length]`, all in one copy.
at::Tensor copy_rows(std::initializer_list<std::span<const int64_t>> rows, at::Device device) {
  const auto length = static_cast<int64_t>(rows.begin()->size());
  const at::Tensor host = staging({static_cast<int64_t>(rows.size()), length}, at::kLong, device);
  auto* to = host.mutable_data_ptr<int64_t>();
  for (const std::span<const int64_t> row : rows) to = std::copy(row.begin(), row.end(), to);
  return host.to(device, /*non_blocking=*/device.is_cuda());
}

/// Once a batch, as every layer reads them; the CPU's kernels read the host's.
at::Tensor offsets_beside(const PackedBatch& batch) {
  if (batch.input_ids.is_cpu()) return {};
  return copy_offsets(batch.offsets, batch.input_ids.device());
}

}  // namespace

PackedBatch PackedBatch::slice(int64_t first, int64_t end) const {
  const int64_t begin = offsets[first];
  const auto part = [&](const at::Tensor& tokens) {
    return tokens.defined() ? tokens.narrow(0, begin, offsets[end] - begin) : tokens;
  };
  PackedBatch batch{.input_ids = part(input_ids),
                    .token_type_ids = part(token_type_ids),
                    .position_ids = part(position_ids),
                    .key_mask = part(key_mask)};
  for (int64_t b = first; b < end; ++b) batch.offsets.push_back(offsets[b + 1] - begin);
  batch.device_offsets = offsets_beside(batch);
  if (windows) {
    const auto kept = windows->kept.begin();
    batch.windows = std::make_shared<const TextWindows>(TextWindows{{kept + first, kept + end}});
  }
  return batch;
}

int64_t PackedBatch::longest() const {
  if (longest_length > 0) return longest_length;
  int64_t most = 0;
  for (int64_t b = 0; b < sequences(); ++b) most = std::max(most, length(b));
  return most;
}

at::Tensor PackedBatch::offsets_on(at::Device device) const {
  return device_offsets.defined() ? device_offsets : copy_offsets(offsets, device);
}

PackedBatch PackedBatch::joined(int64_t first, int64_t end) const {
  PackedBatch batch;
  for (int64_t text = first; text < end; ++text) {
    int64_t tokens = 0;
    if (windows) {
      for (int64_t b = windows->offsets[text]; b < windows->offsets[text + 1]; ++b) {
        tokens += windows->kept[b].end - windows->kept[b].begin;
      }
    } else {
      tokens = length(text);
    }
    batch.offsets.push_back(batch.offsets.back() + tokens);
  }
  return batch;
}

void PackedBatchBuilder::add(std::span<const int32_t> input_ids,
                             std::span<const int32_t> token_type_ids,
                             std::span<const int32_t> position_ids) {
  input_ids_.insert(input_ids_.end(), input_ids.begin(), input_ids.end());
  token_type_ids_.insert(token_type_ids_.end(), token_type_ids.begin(), token_type_ids.end());
  position_ids_.insert(position_ids_.end(), position_ids.begin(), position_ids.end());
  end_sequence({0, static_cast<int64_t>(input_ids.size())});
  windows_.offsets.push_back(std::ssize(windows_.kept));
}

void PackedBatchBuilder::add(std::span<const int32_t> input_ids,
                             std::span<const int32_t> token_type_ids,
                             std::span<const int32_t> position_ids,
                             std::span<const int32_t> attention_mask) {
  add(input_ids, token_type_ids, position_ids);
  key_mask_.insert(key_mask_.end(), attention_mask.begin(), attention_mask.end());
}

void PackedBatchBuilder::add_windows(std::span<const int32_t> input_ids,
                                     std::span<const int32_t> token_type_ids,
                                     std::span<const Window> windows) {
  const auto append = [](std::vector<int64_t>& to, std::span<const int32_t> from,
                         const Window& window) {
    const auto between = from.subspan(1).subspan(window.begin, window.end - window.begin);
    to.push_back(from.front());
    to.insert(to.end(), between.begin(), between.end());
    to.push_back(from.back());
  };
  for (const Window& window : windows) {
    append(input_ids_, input_ids, window);
    append(token_type_ids_, token_type_ids, window);
    const int64_t length = window.end - window.begin + 2;
    for (int64_t position = 0; position < length; ++position) position_ids_.push_back(position);
    const bool first = &window == &windows.front();
    const bool last = &window == &windows.back();
    end_sequence({first ? 0 : window.kept_begin - window.begin + 1,
                  last ? length : window.kept_end - window.begin + 1});
  }
  windows_.offsets.push_back(std::ssize(windows_.kept));
  has_windows_ = true;
}

void PackedBatchBuilder::end_sequence(TextWindows::Kept kept) {
  offsets_.push_back(static_cast<int64_t>(input_ids_.size()));
  windows_.kept.push_back(kept);
}

PackedBatch PackedBatchBuilder::build(c10::Device device) const {
  PackedBatch batch;
  if (device.is_cpu()) {
    batch.input_ids = to_tensor(input_ids_, device);
    batch.token_type_ids = to_tensor(token_type_ids_, device);
    batch.position_ids = to_tensor(position_ids_, device);
  } else {
    const at::Tensor ids = copy_rows({input_ids_, token_type_ids_, position_ids_}, device);
    batch.input_ids = ids.select(0, 0);
    batch.token_type_ids = ids.select(0, 1);
    batch.position_ids = ids.select(0, 2);
  }
  // Where every token is a key, as in a batch of one length, no mask is needed.
  if (std::find(key_mask_.begin(), key_mask_.end(), 0) != key_mask_.end()) {
    batch.key_mask = to_tensor(key_mask_, device);
  }
  batch.offsets = offsets_;
  batch.device_offsets = offsets_beside(batch);
  if (has_windows_) batch.windows = std::make_shared<const TextWindows>(windows_);
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
