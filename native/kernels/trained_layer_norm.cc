#include "kernels/trained_layer_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

namespace bertcnn::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct DropoutLayerNorm : torch::autograd::Function<DropoutLayerNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& residual, const at::Tensor& weight,
                            const at::Tensor& bias, double epsilon, const cpu::Dropout& dropout) {
    const int64_t rows = x.size(0);
    const at::Tensor sum = at::empty_like(residual);
    const at::Tensor mean = at::empty({rows});
    const at::Tensor inverse = at::empty({rows});
    at::Tensor output = at::empty_like(residual);
    const cpu::DropoutLayerNormRows task = {.x = view(x),
                                            .residual = residual.const_data_ptr<float>(),
                                            .dropout = dropout,
                                            .weight = weight.const_data_ptr<float>(),
                                            .bias = bias.const_data_ptr<float>(),
                                            .epsilon = static_cast<float>(epsilon),
                                            .size = x.size(1),
                                            .sum = sum.mutable_data_ptr<float>(),
                                            .mean = mean.mutable_data_ptr<float>(),
                                            .inverse = inverse.mutable_data_ptr<float>(),
                                            .output = output.mutable_data_ptr<float>()};
    at::parallel_for(0, rows, kRowsOfThread, [&](int64_t begin, int64_t end) {
      cpu::row_kernels().dropout_layer_norm(task, begin, end);
    });
    context->save_for_backward({sum, mean, inverse, weight});
    context->saved_data["key"] = static_cast<int64_t>(dropout.key);
    context->saved_data["keep"] = dropout.keep;
    context->saved_data["half"] = x.scalar_type() == at::kBFloat16;
    return output;
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& sum = saved[0];
    const at::Tensor gradient = gradients[0].contiguous();
    const bool half = context->saved_data.at("half").toBool();
    const int64_t rows = sum.size(0);
    const int64_t size = sum.size(1);
    const at::Tensor residual_gradient = at::empty_like(sum);
    const at::Tensor x_gradient =
        at::empty(sum.sizes(), sum.options().dtype(half ? at::kBFloat16 : at::kFloat));
    // A part of the rows for each thread, with sums of its own: the same threads, the same sums.
    const int64_t parts = at::get_num_threads();
    const at::Tensor sums = at::zeros({parts, 2, size});
    const cpu::DropoutLayerNormGradient task = {
        .output_gradient = gradient.const_data_ptr<float>(),
        .sum = sum.const_data_ptr<float>(),
        .mean = saved[1].const_data_ptr<float>(),
        .inverse = saved[2].const_data_ptr<float>(),
        .dropout = {static_cast<uint64_t>(context->saved_data.at("key").toInt()),
                    context->saved_data.at("keep").toDouble()},
        .weight = saved[3].const_data_ptr<float>(),
        .size = size,
        .residual_gradient = residual_gradient.mutable_data_ptr<float>(),
        .x_gradient = x_gradient.mutable_data_ptr(),
        .element = half ? cpu::Element::bfloat16 : cpu::Element::float32};
    auto* totals = sums.mutable_data_ptr<float>();
    at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        cpu::DropoutLayerNormGradient own = task;
        own.weight_gradient = totals + 2 * part * size;
        own.bias_gradient = own.weight_gradient + size;
        cpu::row_kernels().dropout_layer_norm_gradient(own, rows * part / parts,
                                                       rows * (part + 1) / parts);
      }
    });
    const at::Tensor total = sums.sum(0);
    return {x_gradient, residual_gradient, total[0], total[1], {}, {}};
  }
};

}  // namespace

at::Tensor trained_layer_norm(const at::Tensor& x, const at::Tensor& residual,
                              const LayerNormWeights& norm, const cpu::Dropout& dropout) {
  return DropoutLayerNorm::apply(x, residual, norm.weight, norm.bias, norm.epsilon, dropout);
}

}  // namespace bertcnn::kernels
