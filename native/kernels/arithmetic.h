#pragma once

#include <string>

namespace bertcnn::kernels {

/// How a forward pass computes. `autograd`: libtorch's operations on the plain weights, on any
/// device, with a graph where one is wanted. The others predict with prepacked weights: on the CPU
/// all but float16, and what lies between the products is float32; on a card all but int8.
enum class Arithmetic { autograd, float32, bfloat16, float16, int8 };

/// Why the CPU should not compute so: an empty string, or the reason as the end of a
/// sentence. bfloat16 wants instructions that multiply it; int8 runs everywhere.
std::string unsupported_reason(Arithmetic arithmetic);

}  // namespace bertcnn::kernels
