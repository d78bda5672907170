// How a model is trained, as plain values.
#pragma once

#include <cstdint>

namespace bertcnn::training {

/// Options of AdamW training. The defaults are PyTorch's, but for the learning rates.
struct TrainingOptions {
  double learning_rate = 5e-5;       // of the encoder
  double head_learning_rate = 1e-3;  // of convolutions and classifier
  double weight_decay = 0.01;        // not applied to biases and layer norms
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double max_grad_norm = 1.0;  // global norm; 0: no clipping
};

}  // namespace bertcnn::training
