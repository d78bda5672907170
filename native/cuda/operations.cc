// Tensors in, kernels launched on the current stream of their card.
#include "cuda/operations.h"

#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "cuda/graphs.h"
#include "cuda/host/entry.h"
#include "cuda/kernels/launch.h"

namespace bertcnn::cuda {
namespace {

Element element_of(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return Element::float32;
    case at::kHalf:
      return Element::float16;
    case at::kBFloat16:
      return Element::bfloat16;
    default:
      TORCH_CHECK(false, "no CUDA kernel for ", x.scalar_type());
  }
}

Stream stream_of(const at::Tensor& x) {
  return c10::cuda::getCurrentCUDAStream(x.get_device()).stream();
}

NormTask task_of(const Norm& norm, const at::Tensor& output) {
  TORCH_CHECK(output.size(1) <= kLongestRow, "no CUDA layer norm of more than ", kLongestRow,
              " elements");
  return {.weight = norm.weight.const_data_ptr<float>(),
          .bias = norm.bias.const_data_ptr<float>(),
          .epsilon = static_cast<float>(norm.epsilon),
          .size = output.size(1),
          .output = output.mutable_data_ptr()};
}

/// Flash attention of this type; else the memory-efficient one, which also takes float32.
bool is_for_flash(const at::Tensor& qkv, int64_t head_size) {
  constexpr int64_t kLargestHead = 256;
  return qkv.scalar_type() != at::kFloat && head_size % 8 == 0 && head_size <= kLargestHead;
}

class Implementation final : public Operations {
 public:
  ~Implementation() = default;

  bool takes(const at::Tensor& x) const override { return x.is_cuda(); }

  at::Tensor embed(const Embeddings& embeddings, const Norm& norm,
                   at::ScalarType type) const override {
    const c10::cuda::CUDAGuard guard(embeddings.words.device());
    const int64_t tokens = embeddings.word_ids.size(0);
    at::Tensor output =
        at::empty({tokens, embeddings.words.size(1)}, embeddings.words.options().dtype(type));
    const EmbeddingTask task = {.words = embeddings.words.const_data_ptr<float>(),
                                .positions = embeddings.positions.const_data_ptr<float>(),
                                .types = embeddings.types.const_data_ptr<float>(),
                                .word_ids = embeddings.word_ids.const_data_ptr<int64_t>(),
                                .position_ids = embeddings.position_ids.const_data_ptr<int64_t>(),
                                .type_ids = embeddings.type_ids.const_data_ptr<int64_t>()};
    launch_embeddings(task, task_of(norm, output), element_of(output), tokens, stream_of(output));
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return output;
  }

  at::Tensor add_and_normalize(const at::Tensor& product, const at::Tensor& residual,
                               const Norm& norm) const override {
    const c10::cuda::CUDAGuard guard(product.device());
    TORCH_CHECK(product.scalar_type() == residual.scalar_type(), "two types in one sum");
    at::Tensor output = at::empty(product.sizes(), product.options());
    const ResidualTask task = {product.const_data_ptr(), residual.const_data_ptr()};
    launch_residual(task, task_of(norm, output), element_of(output), product.size(0),
                    stream_of(output));
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return output;
  }

  void activate(const at::Tensor& values, const at::Tensor& bias,
                kernels::Activation activation) const override {
    const c10::cuda::CUDAGuard guard(values.device());
    const ActivationTask task = {.values = values.mutable_data_ptr(),
                                 .bias = bias.const_data_ptr<float>(),
                                 .rows = values.size(0),
                                 .columns = values.size(1),
                                 .activation = activation};
    launch_activation(task, element_of(values), stream_of(values));
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }

  at::Tensor attend(const at::Tensor& qkv, const Sequences& sequences,
                    int64_t heads) const override {
    const c10::cuda::CUDAGuard guard(qkv.device());
    const int64_t hidden = qkv.size(1) / 3;
    const int64_t head_size = hidden / heads;
    // [T, 3, heads, D]: views of queries, keys and values, which the kernels read where they lie.
    const at::Tensor split = qkv.view({qkv.size(0), 3, heads, head_size});
    const at::Tensor q = split.select(1, 0);
    const at::Tensor k = split.select(1, 1);
    const at::Tensor v = split.select(1, 2);
    const double scale = 1.0 / std::sqrt(static_cast<double>(head_size));
    at::Tensor output;
    if (is_for_flash(qkv, head_size)) {
      output = std::get<0>(at::_flash_attention_forward(
          q, k, v, sequences.offsets, sequences.offsets, sequences.longest, sequences.longest,
          /*dropout_p=*/0.0, /*is_causal=*/false, /*return_debug_mask=*/false, scale));
    } else {
      // [1, T, heads, D]
      output = std::get<0>(at::_efficient_attention_forward(
          q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), /*bias=*/std::nullopt, sequences.offsets,
          sequences.offsets, sequences.longest, sequences.longest, /*dropout_p=*/0.0,
          /*custom_mask_type=*/0, /*compute_log_sumexp=*/false, scale));
    }
    return output.reshape({qkv.size(0), hidden});
  }

  at::Tensor largest_windows(const at::Tensor& product, const Sequences& sequences,
                             const Bank& bank) const override {
    const c10::cuda::CUDAGuard guard(product.device());
    const auto sizes = static_cast<int64_t>(bank.kernel_sizes.size());
    TORCH_CHECK(sizes <= kMostKernelSizes, "no CUDA kernel for more than ", kMostKernelSizes,
                " kernel sizes");
    const int64_t rows = sequences.offsets.size(0) - 1;
    at::Tensor output = at::empty({rows, bank.bias.numel()}, product.options().dtype(at::kFloat));
    WindowTask task = {.product = product.const_data_ptr(),
                       .stride = product.stride(0),
                       .offsets = sequences.offsets.const_data_ptr<int32_t>(),
                       .sequences = rows,
                       .filters = bank.bias.numel() / sizes,
                       .kernel_sizes = static_cast<int>(sizes),
                       .bias = bank.bias.const_data_ptr<float>(),
                       .output = output.mutable_data_ptr<float>()};
    int64_t column = 0;
    for (int64_t i = 0; i < sizes; ++i) {
      task.kernel_size[i] = static_cast<int32_t>(bank.kernel_sizes[i]);
      task.first_column[i] = column;
      column += bank.kernel_sizes[i] * task.filters;
    }
    launch_windows(task, element_of(product), stream_of(product));
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return output;
  }

  std::unique_ptr<GraphRecorder> graph_recorder(c10::Device device) const override {
    return make_graph_recorder(device);
  }

  Card describe(c10::Device device) const override {
    cudaDeviceProp properties{};
    C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, device.index()));
    return {properties.name, properties.major, properties.minor,
            static_cast<int64_t>(properties.totalGlobalMem)};
  }

  Memory memory(c10::Device device) const override {
    constexpr size_t kAll = 0;  // of the statistics by pool: that of both pools
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
    return {.allocated = stats.allocated_bytes[kAll].current,
            .reserved = stats.reserved_bytes[kAll].current,
            .peak = stats.allocated_bytes[kAll].peak};
  }

  void empty_cache() const override { c10::cuda::CUDACachingAllocator::emptyCache(); }

  void limit_memory(c10::Device device, int64_t bytes) const override {
    const double share = static_cast<double>(bytes) / static_cast<double>(describe(device).memory);
    c10::cuda::CUDACachingAllocator::setMemoryFraction(bytes == 0 ? 1.0 : std::min(1.0, share),
                                                       device.index());
  }
};

#define BERTCNN_TEXT_OF(x) #x
#define BERTCNN_TEXT(x) BERTCNN_TEXT_OF(x)

}  // namespace
}  // namespace bertcnn::cuda

extern "C" __attribute__((visibility("default"))) const bertcnn::cuda::Entry* bertcnn_cuda_entry() {
  using namespace bertcnn::cuda;
  // Never destroyed: a thread may compute while the process ends.
  static const auto* operations = new Implementation();
  static const Entry entry = {
      kInterfaceVersion, BERTCNN_TEXT(TORCH_VERSION_MAJOR) "." BERTCNN_TEXT(TORCH_VERSION_MINOR),
      operations};
  return &entry;
}
