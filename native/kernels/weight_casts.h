// The casts of weights that a layer which is computed twice makes once.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <utility>

namespace bertcnn::kernels {

/// bfloat16 copies of a checkpointed layer's weights. The first pass leaves them here, in the order
/// of the layer's products; the second takes them out in the same order, so that what it has taken
/// is freed with its graph, while the gradients of the weights come to take their place.
class WeightCasts {
 public:
  /// `weight` in bfloat16.
  at::Tensor cast(const at::Tensor& weight) {
    if (taking_ && !kept_.empty()) {
      at::Tensor made = std::move(kept_.front());
      kept_.pop_front();
      return made;
    }
    at::Tensor made = weight.to(at::kBFloat16);
    // Without the history that autograd gives what is returned: it would hold the first graph.
    if (!taking_) kept_.push_back(made.detach());
    return made;
  }
  /// The first pass is over.
  void begin_second_pass() { taking_ = true; }

 private:
  std::deque<at::Tensor> kept_;
  bool taking_ = false;
};

}  // namespace bertcnn::kernels
