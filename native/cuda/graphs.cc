// CUDA graphs: a batch's kernels are recorded once and started as one from then on, which a small
// batch waits less for than for its launches.
#include "cuda/graphs.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace bertcnn::cuda {
namespace {

class RecordedGraph final : public Graph {
 public:
  RecordedGraph(c10::Device device, c10::MempoolId_t pool, c10::cuda::CUDAStream side,
                const std::function<void()>& compute)
      : device_(device) {
    const c10::cuda::CUDAGuard guard(device);
    // What was asked for before, such as copies of what `compute` reads.
    c10::cuda::getCurrentCUDAStream(device.index()).synchronize();
    const c10::cuda::CUDAStreamGuard on_side(side);
    // Once without: what libraries set up at their first call must not be recorded.
    compute();
    side.synchronize();
    // Of this thread alone, so that others may go on using the card.
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      compute();
    } catch (...) {
      end_failed();
      throw;
    }
    graph_.capture_end();
  }

  void replay() override {
    const c10::cuda::CUDAGuard guard(device_);
    graph_.replay();
  }

 private:
  /// The stream must be left as one that records no more.
  void end_failed() noexcept {
    try {
      graph_.capture_end();
    } catch (...) {
      // What made `compute` fail is the better reason.
    }
  }

  c10::Device device_;
  at::cuda::CUDAGraph graph_;
};

class Recorder final : public GraphRecorder {
 public:
  explicit Recorder(c10::Device device)
      : device_(device),
        pool_(at::cuda::graph_pool_handle()),
        side_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

  std::unique_ptr<Graph> record(const std::function<void()>& compute) override {
    return std::make_unique<RecordedGraph>(device_, pool_, side_, compute);
  }

 private:
  c10::Device device_;
  c10::MempoolId_t pool_;
  // Not the default stream, which can't be recorded; one for all, as libtorch keeps freed memory by
  // stream.
  c10::cuda::CUDAStream side_;
};

}  // namespace

std::unique_ptr<GraphRecorder> make_graph_recorder(c10::Device device) {
  return std::make_unique<Recorder>(device);
}

}  // namespace bertcnn::cuda
