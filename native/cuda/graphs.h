#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "cuda/operations.h"

namespace bertcnn::cuda {

/// See Operations::graph_recorder.
std::unique_ptr<GraphRecorder> make_graph_recorder(c10::Device device);

}  // namespace bertcnn::cuda
