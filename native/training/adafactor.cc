#include "training/adafactor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace bertcnn::training {
namespace {

constexpr double kDecay = -0.8;  // of the share that a new gradient has, step by step
constexpr double kLeastVariance = std::numeric_limits<float>::epsilon();
constexpr double kLeastScale = 1e-3;  // of a weight's root mean square

double root_mean_square(const at::Tensor& x) {
  return at::linalg_vector_norm(x).item<double>() / std::sqrt(static_cast<double>(x.numel()));
}

/// The mean of squares along a dimension, which stays with size 1.
at::Tensor mean_of_squares(const at::Tensor& x, int64_t dimension) {
  return at::linalg_vector_norm(x, 2, dimension, /*keepdim=*/true)
      .square_()
      .div_(x.size(dimension));
}

/// What the optimizer remembers of one weight; undefined where it does not of this kind.
struct Remembered {
  at::Tensor step;
  at::Tensor rows;
  at::Tensor columns;
  at::Tensor variance;
};

/// The squares that are expected of the gradient's elements.
at::Tensor estimate(const at::Tensor& gradient, const Remembered& kept, double share) {
  if (gradient.dim() < 2) return kept.variance.lerp_(gradient.square(), share).clone();
  kept.rows.lerp_(mean_of_squares(gradient, -1), share);
  kept.columns.lerp_(mean_of_squares(gradient, -2), share);
  const at::Tensor means = kept.rows.mean(-2, /*keepdim=*/true).clamp_min_(kLeastVariance);
  return kept.rows.matmul(kept.columns).div_(means);
}

}  // namespace

Adafactor::Adafactor(std::vector<ParameterGroup> groups) : Optimizer(std::move(groups)) {
  const auto means = [](int64_t dimension) {
    return [dimension](const at::Tensor& parameter) {
      if (parameter.dim() < 2) return at::Tensor();
      std::vector<int64_t> shape = parameter.sizes().vec();
      shape[shape.size() + dimension] = 1;
      return at::zeros(shape, parameter.options());
    };
  };
  remember("step", [](const at::Tensor& parameter) { return at::zeros({}, parameter.options()); });
  remember("row_var", means(-1));
  remember("col_var", means(-2));
  remember("variance", [](const at::Tensor& parameter) {
    return parameter.dim() < 2 ? at::zeros_like(parameter) : at::Tensor();
  });
}

void Adafactor::apply(const Update& update) const {
  for (size_t i = 0; i < update.parameters.size(); ++i) {
    const at::Tensor& parameter = update.parameters[i];
    const Remembered kept = {update.state[0][i], update.state[1][i], update.state[2][i],
                             update.state[3][i]};
    const double step = kept.step.add_(1).item<double>();
    const double rate = std::min(update.learning_rate, 1 / std::sqrt(step));
    const double length = std::max(kLeastScale, root_mean_square(parameter)) * rate;
    if (update.weight_decay != 0) parameter.mul_(1 - update.learning_rate * update.weight_decay);
    const at::Tensor direction = estimate(update.gradients[i], kept, std::pow(step, kDecay))
                                     .clamp_min_(kLeastVariance * kLeastVariance)
                                     .rsqrt_()
                                     .mul_(update.gradients[i]);
    parameter.add_(direction, -length / std::max(1.0, root_mean_square(direction)));
  }
}

}  // namespace bertcnn::training
