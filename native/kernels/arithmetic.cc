#include "kernels/arithmetic.h"

#include <ATen/Version.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "kernels/onednn.h"

namespace bertcnn::kernels {
namespace {

bool multiplies_bfloat16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

/// oneDNN has limits of its own (ONEDNN_MAX_CPU_ISA).
bool onednn_takes_bfloat16() {
  try {
    onednn::pack(at::zeros({16, 16}, at::kBFloat16));
    return true;
  } catch (const c10::Error&) {
    return false;
  }
}

std::string bfloat16_reason() {
  if (!multiplies_bfloat16() || std::string(at::get_cpu_capability()) != "AVX512") {
    return "this processor has no instructions that multiply bfloat16 (AVX-512 BF16)";
  }
  if (!onednn_takes_bfloat16()) return "oneDNN refuses it (is ONEDNN_MAX_CPU_ISA set?)";
  return "";
}

}  // namespace

std::string unsupported_reason(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::float16) return "only a CUDA device has it";
  if (arithmetic != Arithmetic::bfloat16) return "";
  static const std::string reason = bfloat16_reason();
  return reason;
}

}  // namespace bertcnn::kernels
