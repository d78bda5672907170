#include "training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "error.h"

namespace bertcnn::training {
namespace {

int64_t warmup_steps(const ScheduleOptions& schedule) {
  if (!schedule.warmup_ratio) return schedule.warmup_steps.value_or(0);
  // Rounded up, as transformers' Trainer does.
  const auto total = static_cast<double>(schedule.total_steps.value_or(0));
  return static_cast<int64_t>(std::ceil(total * *schedule.warmup_ratio));
}

double polynomial(const TrainingOptions& options, double progress) {
  if (progress > 1) return kPolynomialEnd / options.learning_rate;
  const double left = 1 - progress;
  const double range = options.learning_rate - kPolynomialEnd;
  return (range * std::pow(left, options.schedule.power) + kPolynomialEnd) / options.learning_rate;
}

double inverse_sqrt(double step, double warmup) {
  constexpr double kTimescale = 10000;
  const double timescale = warmup > 0 ? warmup : kTimescale;
  return 1 / std::sqrt((step + timescale - warmup) / timescale);
}

/// Without `learning_rate_scale`.
double scheduled(const TrainingOptions& options, int64_t step) {
  const ScheduleOptions& schedule = options.schedule;
  const int64_t warmup = warmup_steps(schedule);
  if (step < warmup) return static_cast<double>(step) / static_cast<double>(warmup);
  const int64_t total = schedule.total_steps.value_or(0);
  const auto decay_steps = static_cast<double>(std::max<int64_t>(1, total - warmup));
  const double progress = static_cast<double>(step - warmup) / decay_steps;
  switch (schedule.type) {
    case ScheduleType::constant:
      return 1;
    case ScheduleType::linear:
      return std::max(0.0, static_cast<double>(total - step) / decay_steps);
    case ScheduleType::cosine:
      return std::max(0.0, (1 + std::cos(std::numbers::pi * progress)) / 2);
    case ScheduleType::polynomial:
      return polynomial(options, progress);
    case ScheduleType::inverse_sqrt:
      return inverse_sqrt(static_cast<double>(step), static_cast<double>(warmup));
  }
  fail("ERR_INTERNAL", "Unknown schedule ", static_cast<int>(schedule.type), ".");
}

}  // namespace

double learning_rate_multiplier(const TrainingOptions& options, int64_t step) {
  return scheduled(options, step) * options.learning_rate_scale;
}

}  // namespace bertcnn::training
