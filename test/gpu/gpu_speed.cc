// Speed of BERT-base beside the card's own matrix product.
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>

#include "gpu_model.h"
#include "model/device.h"

namespace bertcnn::gpu {
namespace {

/// Floating-point operations of BERT-base's products for so many tokens in rows of `length`: each
/// multiplication and addition counts.
double flops(double tokens, double length) {
  constexpr double kHidden = 768;
  constexpr double kLayers = 12;
  const double linear = 24 * kHidden * kHidden;
  const double attention = 4 * length * kHidden;
  constexpr double kHead = 2 * kHidden * 100 * (3 + 4 + 5);
  return tokens * (kLayers * (linear + attention) + kHead);
}

/// FLOP/s of the card's product of square bfloat16 matrices.
double product_rate(at::Device device) {
  const c10::InferenceMode inference;
  const int64_t size = device.is_cpu() ? 512 : 8192;
  const int64_t runs = 10;
  const auto options = at::TensorOptions().dtype(at::kBFloat16).device(device);
  const at::Tensor a = at::randn({size, size}, options);
  const at::Tensor b = at::randn({size, size}, options);
  const double seconds = median_seconds(5, [&] {
    at::Tensor c;
    for (int64_t i = 0; i < runs; ++i) c = at::matmul(a, b);
    c[0][0].item<float>();  // waits
  });
  const auto n = static_cast<double>(size);
  return static_cast<double>(runs) * 2 * n * n * n / seconds;
}

}  // namespace

void measure_speed(const Setting& setting) {
  const bool tries = setting.device == "cpu";  // the check itself, by little of everything
  const int runs = tries ? 1 : 10;
  const std::string size = tries ? "small" : "base";
  const std::string dtype = tries ? "float32" : "bfloat16";
  const double rate = product_rate(model::find_device(setting.device));
  report_at_least("bfloat16 matrix product", rate / 1e12, 0, "TFLOP/s");

  const auto compute = load(setting, size, dtype);
  const Rows full = random_rows(tries ? 4 : 256, 128, 128, 1);
  const double seconds = median_seconds(runs, [&] { predict(*compute, full); });
  const double share = flops(static_cast<double>(tokens_of(full)), 128) / seconds / rate;
  report_at_least("bf16, 128 tokens x 256: share of that rate", share, 0.6, "");
  report_at_least("bf16, 128 tokens x 256", static_cast<double>(full.size()) / seconds, 0,
                  "texts/s");

  const Rows mixed = random_rows(tries ? 8 : 1024, 4, 128, 2);
  const double mixed_seconds = median_seconds(runs, [&] { predict(*compute, mixed); });
  report_at_least("bf16, mixed lengths", static_cast<double>(mixed.size()) / mixed_seconds, 0,
                  "texts/s");

  const Rows single = random_rows(1, 32, 32, 3);
  for (int i = 0; i < 5; ++i) predict(*compute, single);
  const double latency = median_seconds(tries ? 5 : 200, [&] { predict(*compute, single); });
  report_at_most("bf16, a single text of 32 tokens", latency * 1e3, 1.2, "ms");

  compute->configure_training({});
  const engine::TrainRequest batch = random_batch(tries ? 2 : 32, 64, 4);
  const double step = median_seconds(runs, [&] { compute->train_step(batch, {}); });
  report_at_least("bf16 fine-tuning, 64 tokens x 32", (tries ? 2 : 32) / step, 0, "texts/s");
}

}  // namespace bertcnn::gpu
