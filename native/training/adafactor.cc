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

  /// What it remembers with this gradient, too, which gets a share.
  Remembered with(const at::Tensor& gradient, const at::Tensor& next_step, double share) const {
    if (gradient.dim() < 2) return {next_step, {}, {}, variance.lerp(gradient.square(), share)};
    return {next_step,
            rows.lerp(mean_of_squares(gradient, -1), share),
            columns.lerp(mean_of_squares(gradient, -2), share),
            {}};
  }

  /// The squares that are expected of the gradient's elements.
  at::Tensor estimate() const {
    if (variance.defined()) return variance.clone();
    const at::Tensor means = rows.mean(-2, /*keepdim=*/true).clamp_min_(kLeastVariance);
    return rows.matmul(columns).div_(means);
  }
};

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

// The gradients become what is added to the weights.
void Adafactor::prepare(Update& update) const {
  for (size_t i = 0; i < update.parameters.size(); ++i) {
    const at::Tensor& parameter = update.parameters[i];
    const at::Tensor& gradient = update.gradients[i];
    const Remembered kept = {update.state[0][i], update.state[1][i], update.state[2][i],
                             update.state[3][i]};
    const at::Tensor next_step = kept.step + 1;
    const auto step = next_step.item<double>();
    const Remembered next = kept.with(gradient, next_step, std::pow(step, kDecay));
    const double rate = std::min(update.learning_rate, 1 / std::sqrt(step));
    double length = std::max(kLeastScale, root_mean_square(parameter)) * rate;
    gradient.mul_(next.estimate().clamp_min_(kLeastVariance * kLeastVariance).rsqrt_());
    length /= std::max(1.0, root_mean_square(gradient));
    gradient.mul_(-length);
    const double decay = update.learning_rate * update.weight_decay;
    if (decay != 0) gradient.add_(parameter, -decay);
    update.next[0].push_back(next.step);
    update.next[1].push_back(next.rows);
    update.next[2].push_back(next.columns);
    update.next[3].push_back(next.variance);
  }
}

void Adafactor::apply(const Update& update) const {
  for (size_t i = 0; i < update.parameters.size(); ++i) {
    for (size_t k = 0; k < update.state.size(); ++k) {
      if (update.next[k][i].defined()) update.state[k][i].copy_(update.next[k][i]);
    }
    update.parameters[i].add_(update.gradients[i]);
  }
}

}  // namespace bertcnn::training
