#include "training/feature_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <cstddef>
#include <span>
#include <utility>

namespace bertcnn::training {
namespace {

/// Each changes whenever its weight may have changed.
std::vector<uint32_t> versions_of_encoder(const model::BertCnn& model) {
  std::vector<uint32_t> versions;
  for (const auto& [name, tensor] : model.parameters()) {
    if (name.starts_with("bert.")) versions.push_back(tensor._version());
  }
  return versions;
}

/// What identifies tokens, on the host. [T] int64 each.
struct Tokens {
  explicit Tokens(const kernels::PackedBatch& batch)
      : parts{batch.input_ids.to(at::kCPU), batch.token_type_ids.to(at::kCPU),
              batch.position_ids.to(at::kCPU)} {}

  RowKey key(int64_t begin, int64_t end) const {
    RowKey key;
    key.reserve(std::size(parts) * static_cast<size_t>(end - begin));
    for (const at::Tensor& part : parts) {
      const auto* values = part.const_data_ptr<int64_t>();
      for (int64_t t = begin; t < end; ++t) key.push_back(static_cast<int32_t>(values[t]));
    }
    return key;
  }

  at::Tensor parts[3];
};

std::span<std::byte> bytes_of(const at::Tensor& rows) {
  return {static_cast<std::byte*>(rows.mutable_data_ptr()), rows.nbytes()};
}

}  // namespace

FeatureCache::FeatureCache(const FeatureCacheOptions& options)
    : type_(options.bfloat16 ? at::kBFloat16 : at::kFloat),
      store_(static_cast<size_t>(options.memory), options.directory) {}

at::Tensor FeatureCache::encode(const model::BertCnn& model, const kernels::PackedBatch& batch,
                                const kernels::ForwardContext& context) {
  const at::NoGradGuard no_grad;
  follow_weights(model);
  const Tokens tokens(batch);
  const at::Tensor features = at::empty({batch.tokens(), model.config().bert.hidden_size}, type_);
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    RowKey key = tokens.key(batch.offsets[b], batch.offsets[b + 1]);
    const at::Tensor row = features.narrow(0, batch.offsets[b], batch.length(b));
    if (store_.read(key, bytes_of(row))) {
      ++hits_;
      continue;
    }
    ++misses_;
    row.copy_(model.encode(batch.sequence(b), context).values);  // rounds to the nearest, even
    store_.write(std::move(key), bytes_of(row));
  }
  return features.to(model.device(), at::kFloat);
}

void FeatureCache::follow_weights(const model::BertCnn& model) {
  std::vector<uint32_t> versions = versions_of_encoder(model);
  if (versions == versions_) return;
  clear();
  versions_ = std::move(versions);
}

FeatureCounts FeatureCache::counts() const {
  return {store_.rows(), static_cast<int64_t>(store_.memory_bytes()),
          static_cast<int64_t>(store_.file_bytes()), hits_, misses_};
}

}  // namespace bertcnn::training
