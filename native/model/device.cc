#include "model/device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>

#include "cuda/host/loader.h"
#include "error.h"
#include "kernels/card.h"

namespace bertcnn::model {
namespace {

constexpr std::string_view kCudaPrefix = "cuda:";
constexpr int64_t kMostThreads = 1024;
/// There where an NVIDIA driver runs.
constexpr const char* kDriverFile = "/proc/driver/nvidia/version";

/// What CUDA computes with, or why nothing can.
struct Cuda {
  std::string missing;
  bool was_meant = false;
};

Cuda load_cuda() {
  const std::string libtorch =
      std::to_string(TORCH_VERSION_MAJOR) + "." + std::to_string(TORCH_VERSION_MINOR);
  const cuda::LoadedLibrary library = cuda::load_library(cuda::library_file(), libtorch);
  std::error_code error;
  Cuda cuda{library.missing, library.was_built || std::filesystem::exists(kDriverFile, error)};
  if (library.entry == nullptr) return cuda;
  if (!at::globalContext().hasCUDA()) {
    cuda.missing = cuda::missing_card();
    return cuda;
  }
  // cuDNN's convolutions would else round to them, unlike the CPU's.
  allow_tf32(false);
  kernels::use_card(library.entry->operations);
  return cuda;
}

const Cuda& cuda_once() {
  // Once a process, before libtorch computes anything, also for a model on the CPU: a convolution
  // asks for CUDA's hooks, and what is not there at that moment is absent for good.
  static const Cuda cuda = load_cuda();
  return cuda;
}

int64_t card_count() {
  return at::globalContext().getAcceleratorHooksInterface(at::kCUDA).deviceCount();
}

/// Why there are no kernels for a card, or an empty string.
std::string too_old(c10::Device device) {
  constexpr int kOldest = 8;  // compute capability of the kernels' binaries
  const cuda::Card card = kernels::card().describe(device);
  if (card.major >= kOldest) return "";
  return card.name + " has compute capability " + std::to_string(card.major) + "." +
         std::to_string(card.minor) + ", and 8.0 or later is needed";
}

c10::Device find_cuda(const std::string& name, int64_t index) {
  if (const std::string& reason = cuda_once().missing; !reason.empty()) {
    fail("ERR_DEVICE_UNAVAILABLE", "Device '", name, "' is not available: ", reason, ".");
  }
  const int64_t cards = card_count();
  if (index >= cards) {
    fail("ERR_DEVICE_UNAVAILABLE", "Device '", name, "' is not available: this machine has ", cards,
         " CUDA device(s).");
  }
  const c10::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  if (const std::string reason = too_old(device); !reason.empty()) {
    fail("ERR_DEVICE_UNAVAILABLE", "Device '", name, "' is not available: ", reason, ".");
  }
  return device;
}

}  // namespace

c10::Device find_device(const std::string& name) {
  const c10::Device first(at::kCUDA, 0);
  const bool has_cuda = cuda_once().missing.empty() && card_count() > 0 && too_old(first).empty();
  if (name == "cpu") return at::kCPU;
  if (name == "cuda") return find_cuda(name, 0);
  if (name == "auto") {
    return has_cuda ? first : c10::Device(at::kCPU);
  }
  if (name.starts_with(kCudaPrefix)) {
    int8_t index = -1;
    const char* end = name.data() + name.size();
    const auto [last, error] = std::from_chars(name.data() + kCudaPrefix.size(), end, index);
    if (error == std::errc() && last == end && index >= 0) return find_cuda(name, index);
  }
  fail("ERR_INVALID_ARGUMENT",
       "Expected 'auto', 'cpu', 'cuda' or 'cuda:N' for device but received '", name, "'.");
}

std::string reason_for_cpu() {
  const Cuda& cuda = cuda_once();
  if (!cuda.was_meant || !cuda.missing.empty()) return cuda.was_meant ? cuda.missing : "";
  return card_count() > 0 ? too_old(c10::Device(at::kCUDA, 0)) : "";
}

void allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

at::Generator make_generator(c10::Device device, uint64_t seed) {
  if (device.is_cpu()) return at::detail::createCPUGenerator(seed);
  at::globalContext().lazyInitDevice(device.type());
  at::Generator generator = at::globalContext()
                                .getAcceleratorHooksInterface(device.type())
                                .getNewGenerator(device.index());
  generator.set_current_seed(seed);
  return generator;
}

void use_threads(int64_t threads) {
  // Where the system has no room for them, OpenMP ends the process.
  if (threads < 0 || threads > kMostThreads) {
    fail("ERR_INVALID_ARGUMENT", "Expected an integer from 1 to ", kMostThreads,
         " for threads but received ", threads, ".");
  }
  // libtorch sets a thread's number from a process-wide default when the thread first asks for it.
  // Let that happen now, so that it does not undo what is set here: in libtorch, and in our own
  // copy of what its headers define.
  at::get_num_threads();
  at::internal::lazy_init_num_threads();
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  at::set_num_threads(static_cast<int>(threads == 0 ? cores : threads));
}

std::string libtorch_version() {
  constexpr std::string_view kField = "TORCH_VERSION=";
  const std::string config = at::show_config();
  const size_t start = config.find(kField);
  if (start == std::string::npos) return "unknown";
  const size_t end = config.find_first_of(", \n", start);
  return config.substr(start + kField.size(), end - start - kField.size());
}

}  // namespace bertcnn::model
