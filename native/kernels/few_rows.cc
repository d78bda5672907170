#include "kernels/few_rows.h"

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/rows.h"
#include "kernels/onednn.h"

namespace at::native {
// Exported by libtorch, in no header of its distribution. Weak: another release may lack it.
__attribute__((weak)) int64_t data_ptr_from_mkldnn(const Tensor& tensor);
}  // namespace at::native

namespace bertcnn::kernels {
namespace {

static_assert(kMostFewRows == cpu::FewRowsTask::kMostRows);

constexpr int64_t kPanel = cpu::FewRowsTask::kPanel;

const float* data_of(const at::Tensor& packed) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): that is how the function gives it
  return reinterpret_cast<const float*>(at::native::data_ptr_from_mkldnn(packed));
}

/// Packs a weight whose elements tell their places, and looks where they are.
bool lies_in_panels(int64_t in, int64_t out) {
  const c10::InferenceMode inference;
  constexpr int64_t kLargestExact = 1 << 24;
  if (in * out > kLargestExact) return false;
  const at::Tensor weight = at::arange(in * out, at::kFloat).view({out, in});
  const at::Tensor packed = onednn::pack(weight);
  const float* values = data_of(packed);
  for (int64_t n = 0; n < out; ++n) {
    const float* panel = values + n / kPanel * kPanel * in + n % kPanel;
    for (int64_t k = 0; k < in; ++k) {
      if (panel[k * kPanel] != static_cast<float>(n * in + k)) return false;
    }
  }
  return true;
}

}  // namespace

bool few_rows_supports(int64_t in, int64_t out) {
  if (std::string_view(cpu::row_kernels().name) != "avx512") return false;
  if (at::native::data_ptr_from_mkldnn == nullptr || out % kPanel != 0) return false;
  static std::mutex mutex;
  static std::map<std::pair<int64_t, int64_t>, bool> known;
  const std::scoped_lock lock(mutex);
  const auto [entry, is_new] = known.try_emplace({in, out}, false);
  if (is_new) entry->second = lies_in_panels(in, out);
  return entry->second;
}

at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                           std::optional<Activation> activation) {
  const int64_t out = bias.size(0);
  at::Tensor y = at::empty({x.size(0), out});
  const cpu::RowActivation row =
      activation ? row_activation(*activation) : cpu::RowActivation::relu;
  const cpu::FewRowsTask task = {.x = x.const_data_ptr<float>(),
                                 .x_stride = x.stride(0),
                                 .rows = x.size(0),
                                 .in = x.size(1),
                                 .out = out,
                                 .weight = data_of(packed),
                                 .bias = bias.const_data_ptr<float>(),
                                 .activation = activation ? &row : nullptr,
                                 .output = y.mutable_data_ptr<float>()};
  at::parallel_for(0, out / kPanel, 1, [&](int64_t begin, int64_t end) {
    cpu::row_kernels().multiply_few_rows(task, begin, end);
  });
  return y;
}

}  // namespace bertcnn::kernels
