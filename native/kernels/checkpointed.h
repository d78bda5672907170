#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <functional>

namespace bertcnn::kernels {

/// What is computed anew: from x, drawing from the generator.
using Recomputed = std::function<at::Tensor(const at::Tensor& x, const at::Generator& generator)>;

/// compute(x, generator), of which nothing is kept but x: the backward pass computes it again, with
/// the same random numbers (Chen et al., 2016). x requires a gradient. What `compute` refers to
/// must outlive the backward pass. Gradients of weights in it are added to theirs.
at::Tensor checkpointed(const at::Tensor& x, const at::Generator& generator, Recomputed compute);

/// The same of what depends on weights only. Unless `always`, it is not computed again where no
/// gradient but one of zeros comes back: weights get none of it then.
at::Tensor checkpointed(const at::Generator& generator,
                        std::function<at::Tensor(const at::Generator& generator)> compute,
                        bool always);

}  // namespace bertcnn::kernels
