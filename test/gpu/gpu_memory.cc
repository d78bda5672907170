// Memory that does not grow, that runs out, and that is given back.
#include <chrono>
#include <cmath>
#include <random>
#include <string>

#include "error.h"
#include "gpu_model.h"

namespace bertcnn::gpu {
namespace {

constexpr double kMegabyte = 1 << 20;

Rows shapes(std::mt19937_64& random) {
  const auto rows = static_cast<int64_t>(1 + random() % 48);
  return random_rows(rows, 1, static_cast<int64_t>(1 + random() % 200), random());
}

/// The code that `work` fails with; empty where it does not.
template <typename Work>
std::string code_of(Work&& work) {
  try {
    work();
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

}  // namespace

void check_memory(const Setting& setting) {
  constexpr int kBatches = 10'000;
  constexpr int kUntilSteady = 3'000;
  const auto compute = load(setting, "small", "float32");
  std::mt19937_64 random(1);
  for (int i = 0; i < kUntilSteady; ++i) predict(*compute, shapes(random));
  const engine::DeviceMemory steady = compute->memory();
  for (int i = kUntilSteady; i < kBatches; ++i) predict(*compute, shapes(random));
  const engine::DeviceMemory after = compute->memory();
  report_at_most("growth over 10,000 batches, reserved",
                 static_cast<double>(after.reserved - steady.reserved) / kMegabyte, 64, "MB");
  compute->empty_cache();
  const engine::DeviceMemory emptied = compute->memory();
  report_at_most("kept after emptyCache beyond tensors",
                 static_cast<double>(emptied.reserved - emptied.allocated) / kMegabyte, 64, "MB");
}

void check_out_of_memory(const Setting& setting) {
  const Rows rows = random_rows(2'000, 100, 128, 1);
  const auto roomy = load(setting, "small", "float32");
  const std::vector<float> expected = predict(*roomy, rows);
  const engine::DeviceMemory most = roomy->memory();
  roomy->empty_cache();
  const int64_t limit = roomy->memory().reserved + (most.peak - most.allocated) / 3;

  // Weights once more, and a third of the memory that the batch takes.
  const auto tight =
      load(setting, "small", "float32", limit + roomy->memory().allocated + (16 << 20));
  report_at_most("logits of a batch that memory does not reach for",
                 largest_difference(predict(*tight, rows), expected), 1e-4, "of 1 + |logit|");

  tight->configure_training({});
  const Rows few = random_rows(4, 10, 30, 2);
  const std::vector<float> before = predict(*tight, few);
  const std::string code = code_of([&] { tight->train_step(random_batch(512, 512, 3), {}); });
  report_at_least("a step that memory does not reach for: ERR_OUT_OF_MEMORY",
                  code == "ERR_OUT_OF_MEMORY" ? 1 : 0, 1, "");
  report_at_most("logits behind it", largest_difference(predict(*tight, few), before), 0,
                 "of 1 + |logit|");
  const std::string next = code_of([&] { tight->train_step(random_batch(1, 8, 4), {}); });
  report_at_least("a small step behind it", next.empty() ? 1 : 0, 1, "");
}

void check_soak(const Setting& setting) {
  const std::chrono::seconds duration(setting.device == "cpu" ? 5 : 60);
  const auto compute = load(setting, "small", "bfloat16");
  compute->configure_training({});
  std::mt19937_64 random(2);
  const auto begin = std::chrono::steady_clock::now();
  int64_t batches = 0;
  double finite = 1;
  while (std::chrono::steady_clock::now() - begin < duration) {
    for (const float logit : predict(*compute, shapes(random))) {
      if (!(std::abs(logit) < 1e6F)) finite = 0;
    }
    if (++batches % 50 == 0) compute->train_step(random_batch(8, 32, random()), {});
  }
  report_at_least("soak: batches between training steps", static_cast<double>(batches), 50, "");
  report_at_least("soak: all logits finite", finite, 1, "");
}

}  // namespace bertcnn::gpu
