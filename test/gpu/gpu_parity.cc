// The card beside the CPU in float32, whose logits the parity check compares with PyTorch's.
#include <cmath>

#include "gpu_model.h"

namespace bertcnn::gpu {
namespace {

/// What logits may differ by, as a share of 1 + |logit|.
struct Bound {
  const char* dtype;
  double logits;
};

constexpr Bound kBounds[] = {{"float32", 1e-4}, {"float16", 2e-2}, {"bfloat16", 1e-1}};

void compare_logits(const Setting& setting) {
  const Setting cpu = {"cpu", setting.folder};
  // The last comes again and again, and so as a graph where there are any.
  const std::vector<Rows> batches = {random_rows(1, 1, 1, 1), random_rows(1, 512, 512, 2),
                                     random_rows(40, 1, 200, 3), random_rows(8, 2, 60, 4)};
  std::vector<std::vector<float>> expected;
  const auto reference = load(cpu, "small", "float32");
  for (const Rows& rows : batches) expected.push_back(predict(*reference, rows));
  for (const auto& [dtype, bound] : kBounds) {
    const auto compute = load(setting, "small", dtype);
    double largest = 0;
    for (size_t i = 0; i < batches.size(); ++i) {
      largest = std::max(largest, largest_difference(predict(*compute, batches[i]), expected[i]));
    }
    report_at_most(std::string("parity ") + dtype, largest, bound, "of 1 + |logit|");
    double recorded = 0;
    for (int run = 0; run < 6; ++run) {
      recorded = std::max(recorded,
                          largest_difference(predict(*compute, batches.back()), expected.back()));
    }
    report_at_most(std::string("parity of graphs ") + dtype, recorded, bound, "of 1 + |logit|");
  }
}

/// A row among others has the logits that it has alone.
void compare_rows(const Setting& setting) {
  const auto compute = load(setting, "small", "float32");
  const Rows rows = random_rows(24, 3, 90, 5);
  const std::vector<float> together = predict(*compute, rows);
  std::vector<float> alone;
  for (const engine::TokenRow& row : rows) {
    const std::vector<float> logits = predict(*compute, {row});
    alone.insert(alone.end(), logits.begin(), logits.end());
  }
  report_at_most("a row alone and among others", largest_difference(together, alone), 1e-4,
                 "of 1 + |logit|");
}

std::vector<float> losses(const Setting& setting, bool bfloat16) {
  constexpr int kSteps = 10;
  const auto compute = load(setting, "small", "float32");
  training::TrainingOptions options;
  options.bfloat16 = bfloat16;
  compute->configure_training(options);
  std::vector<float> all;
  for (int step = 0; step < kSteps; ++step) {
    all.push_back(static_cast<float>(compute->train_step(random_batch(8, 40, 10 + step), {}).loss));
  }
  return all;
}

}  // namespace

void check_parity(const Setting& setting) {
  compare_logits(setting);
  compare_rows(setting);
  const std::vector<float> expected = losses({"cpu", setting.folder}, false);
  report_at_most("losses of ten steps float32",
                 largest_difference(losses(setting, false), expected), 1e-3, "of 1 + loss");
  // On the CPU bfloat16 wants a processor that multiplies it.
  if (setting.device == "cpu") return;
  report_at_most("losses of ten steps bfloat16",
                 largest_difference(losses(setting, true), expected), 5e-2, "of 1 + loss");
}

}  // namespace bertcnn::gpu
