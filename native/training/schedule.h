#pragma once

#include <cstdint>

#include "training/options.h"

namespace bertcnn::training {

/// What the polynomial schedule lets `learning_rate` end at, as transformers does.
inline constexpr double kPolynomialEnd = 1e-7;

/// What the learning rates are multiplied by in the optimizer step `step`, counted from 0. It
/// depends on nothing else. But for `learning_rate_scale`, which it is multiplied by, it equals
/// transformers.get_scheduler's factor, past the last step too.
/// With w the warm-up steps and n total_steps; while step < w it is step / w, after that
///
///   constant      1
///   linear        (n - step) / (n - w), never below 0
///   cosine        (1 + cos(pi * p)) / 2,                    p = (step - w) / (n - w)
///   polynomial    ((r - e) * (1 - p)^power + e) / r,        r = learning_rate, e = kPolynomialEnd
///                 past n steps e / r
///   inverse_sqrt  1 / sqrt((step + t - w) / t),             t = w, without warm-up 10000
double learning_rate_multiplier(const TrainingOptions& options, int64_t step);

}  // namespace bertcnn::training
