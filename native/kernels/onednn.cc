#include "kernels/onednn.h"

#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <optional>

namespace bertcnn::kernels::onednn {
namespace {

template <typename Signature>
c10::TypedOperatorHandle<Signature> find_operation(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

using Scalars = c10::List<std::optional<at::Scalar>>;

}  // namespace

at::Tensor pack(const at::Tensor& weight) {
  static const auto op = find_operation<at::Tensor(const at::Tensor&, std::optional<c10::SymInt>)>(
      "mkldnn::_reorder_linear_weight");
  constexpr int64_t kRows = 256;  // a hint only
  return op.call(weight, c10::SymInt(kRows));
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  std::string_view fused, std::string_view algorithm) {
  static const auto op = find_operation<at::Tensor(
      const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
      Scalars, std::optional<std::string_view>)>("mkldnn::_linear_pointwise");
  return op.call(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, fused, Scalars(),
                 algorithm);
}

at::Tensor pack_int8(const at::Tensor& weight) {
  static const auto op = find_operation<at::Tensor(at::Tensor, std::optional<c10::List<int64_t>>)>(
      "onednn::qlinear_prepack");
  static const std::optional<c10::List<int64_t>> any_shape;
  return op.call(weight, any_shape);
}

at::Tensor linear_int8(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& scales,
                       const at::Tensor& zeros) {
  static const auto op = find_operation<at::Tensor(
      at::Tensor, double, int64_t, at::Tensor, at::Tensor, at::Tensor, std::optional<at::Tensor>,
      double, int64_t, std::optional<at::ScalarType>, std::string_view, Scalars, std::string_view)>(
      "onednn::qlinear_pointwise");
  return op.call(x, 1.0, 0, packed, scales, zeros, std::nullopt, 1.0, 0, at::kFloat, "none",
                 Scalars(), "");
}

int largest_uint8() {
  static const int largest = [] {
    constexpr int64_t kTerms = 256;
    const at::Tensor x = at::full({4, kTerms}, 255, at::kByte);
    const at::Tensor weight = pack_int8(at::full({16, kTerms}, 127, at::kChar));
    const at::Tensor sums = linear_int8(x, weight, at::ones({16}), at::zeros({16}, at::kInt));
    return sums.eq(255.0 * 127.0 * kTerms).all().item<bool>() ? 255 : 127;
  }();
  return largest;
}

}  // namespace bertcnn::kernels::onednn
