#include "kernels/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

namespace bertcnn::kernels {

Linear::Linear(int64_t in, int64_t out, const at::TensorOptions& options)
    : weight_(at::empty({out, in}, options)), bias_(at::zeros({out}, options)) {}

at::Tensor Linear::forward(const at::Tensor& x) const {
  return at::linear(x, weight_, bias_);
}

void Linear::parameters(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + "weight", weight_});
  list.push_back({prefix + "bias", bias_});
}

}  // namespace bertcnn::kernels
