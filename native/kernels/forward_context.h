// What a forward pass has to know besides its input.
#pragma once

#include <ATen/core/Generator.h>

#include <functional>

#include "error.h"
#include "kernels/arithmetic.h"

namespace bertcnn::kernels {

class WeightCasts;

/// Passed down the forward pass. `training` switches dropout on; its masks come from `generator`,
/// which belongs to the model. `cancelled` is asked between layers. While training,
/// `autocast_bfloat16` asks for matrix products in bfloat16, and `checkpointing` for layers that
/// keep their input only and are computed anew in the backward pass; such a layer keeps its casts
/// of weights in `casts`.
struct ForwardContext {
  bool training = false;
  at::Generator generator;
  std::function<bool()> cancelled;
  Arithmetic arithmetic = Arithmetic::autograd;
  bool autocast_bfloat16 = false;  // training multiplies in bfloat16, with float32 weights
  bool checkpointing = false;      // training computes each layer again in its backward pass
  WeightCasts* casts = nullptr;    // null: this part is computed once

  /// Throws ERR_CANCELLED once nobody waits for the result.
  void check_cancelled() const {
    if (cancelled && cancelled()) fail("ERR_CANCELLED", "The call was cancelled.");
  }
};

}  // namespace bertcnn::kernels
