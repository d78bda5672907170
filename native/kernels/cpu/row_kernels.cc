#include "kernels/cpu/row_kernels.h"

#include <ATen/Version.h>

#include <array>
#include <string>

namespace bertcnn::kernels::cpu {

extern const RowKernels kBaselineRowKernels;
#if defined(__x86_64__)
extern const RowKernels kAvx2RowKernels;
extern const RowKernels kAvx512RowKernels;
#endif

namespace {

struct Runnable {
  std::array<const RowKernels*, 3> tables = {&kBaselineRowKernels};
  int count = 1;
};

/// As libtorch judges its own kernels: one variable forces both to a simpler set.
Runnable find_runnable() {
  Runnable runnable;
#if defined(__x86_64__)
  const std::string capability = at::get_cpu_capability();
  const bool avx512 = capability == "AVX512";
  if (avx512 || capability == "AVX2") runnable.tables[runnable.count++] = &kAvx2RowKernels;
  if (avx512) runnable.tables[runnable.count++] = &kAvx512RowKernels;
#endif
  return runnable;
}

const Runnable& runnable() {
  static const Runnable found = find_runnable();
  return found;
}

}  // namespace

const RowKernels& row_kernels() {
  return *runnable().tables[runnable().count - 1];
}

const RowKernels* const* runnable_row_kernels(int& count) {
  count = runnable().count;
  return runnable().tables.data();
}

namespace {

constexpr int64_t kWidest = 16;
constexpr int64_t kRows = 8;  // of a tile, or more

int64_t padded(int64_t length) {
  return (length + kWidest - 1) / kWidest * kWidest;
}

}  // namespace

int64_t attention_scratch(int64_t length, int64_t head_size) {
  return (head_size + 2 * kRows) * padded(length) + 2 * length * head_size;
}

int64_t attention_gradient_scratch(int64_t length, int64_t head_size) {
  return (2 * head_size + 3 * kRows) * padded(length) + 6 * length * head_size;
}

}  // namespace bertcnn::kernels::cpu
