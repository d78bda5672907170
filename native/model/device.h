// Devices by name, without linking CUDA.
#pragma once

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <string>

namespace bertcnn::model {

/// The device called `name`: `cpu`, `cuda`, `cuda:N`, or `auto` (CUDA where a card is, else the
/// CPU). The first call of a process loads libbertcnn_cuda, and libtorch_cuda with it, where it was
/// built. ERR_INVALID_ARGUMENT: no such name; ERR_DEVICE_UNAVAILABLE: library, driver or card is
/// missing, and which.
c10::Device find_device(const std::string& name);

/// Why `auto` is the CPU on a machine that looks as if CUDA were meant: libbertcnn_cuda was built,
/// or an NVIDIA driver runs. Else an empty string. Behind `find_device`.
std::string reason_for_cpu();

/// Whether float32 products on cards may round to TF32's 10 bits; for the whole process, as
/// libtorch has it.
void allow_tf32(bool allowed);

/// A new random number generator on `device`.
at::Generator make_generator(c10::Device device, uint64_t seed);

/// Lets operations that this thread starts use `threads` threads (0: one a core), whatever other
/// threads of the process are set to.
void use_threads(int64_t threads);

/// The full version of the loaded libtorch, such as "2.13.0+cpu".
std::string libtorch_version();

}  // namespace bertcnn::model
