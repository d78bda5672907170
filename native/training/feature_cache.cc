#include "training/feature_cache.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <utility>

#if !defined(_OPENMP) && !defined(__clang_analyzer__)
#error "at::parallel_for would compute on one thread"
#endif

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
  const at::Tensor features = at::empty({batch.tokens(), model.feature_size()}, type_);
  std::vector<MissingRow> missing;
  for (int64_t b = 0; b < batch.sequences(); ++b) {
    RowKey key = tokens.key(batch.offsets[b], batch.offsets[b + 1]);
    const auto bytes = bytes_of(features.narrow(0, batch.offsets[b], batch.length(b)));
    if (!store_.read(key, bytes)) missing.push_back({batch.sequence(b), std::move(key), bytes});
  }
  hits_ += batch.sequences() - std::ssize(missing);
  misses_ += std::ssize(missing);
  compute(model, context, missing);
  for (MissingRow& row : missing) store_.write(std::move(row.key), row.bytes);
  return features.to(model.device(), at::kFloat);
}

void FeatureCache::compute(const model::BertCnn& model, const kernels::ForwardContext& context,
                           const std::vector<MissingRow>& rows) const {
  if (rows.empty()) return;
  // A row by one thread, also where there is one row only: how a product is shared among threads
  // may decide how it is rounded. Within a parallel region libtorch's operations do not share.
  const int64_t threads = model.device().is_cpu() ? at::get_num_threads() : 1;
  std::atomic<size_t> next = 0;
  at::parallel_for(0, threads, 1, [&](int64_t /*begin*/, int64_t /*end*/) {
    const c10::InferenceMode inference;  // of this thread
    for (size_t i = next++; i < rows.size(); i = next++) {
      const at::Tensor values = model.encode(rows[i].batch, context).values;
      const at::Tensor rounded = values.to(at::kCPU, type_).contiguous();  // to nearest, ties even
      std::memcpy(rows[i].bytes.data(), rounded.const_data_ptr(), rows[i].bytes.size());
    }
  });
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
