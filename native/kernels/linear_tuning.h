// Which library multiplies fastest here.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "kernels/arithmetic.h"

namespace bertcnn::kernels {

/// aten: at::linear on the plain weight, which is MKL's product in float32. onednn: oneDNN's on a
/// packed one.
enum class LinearLibrary { aten, onednn };

/// The faster one for a weight `[out, in]`. The first time on a machine it is measured, in some
/// 0.1 s, and noted in `linear.json` of the cache folder (BERTCNN_CACHE, else `bertcnn` in the
/// user's cache folder), where the next process finds it. BERTCNN_LINEAR=aten or =onednn decides
/// without measuring. int8 has oneDNN only.
LinearLibrary choose_linear_library(Arithmetic arithmetic, int64_t in, int64_t out);

/// The libraries that were chosen in this process, "aten" or "onednn", by precision and shape such
/// as "float32 768 -> 3072". They round differently: a run goes on bit for bit only with the same.
std::map<std::string, std::string> chosen_linear_libraries();
/// Chooses so from now on in this process, but where BERTCNN_LINEAR decides. ERR_INVALID_ARGUMENT:
/// a name is unknown; then nothing has changed.
void choose_linear_libraries(const std::map<std::string, std::string>& libraries);
/// Whether BERTCNN_LINEAR decides: then for products of any number of rows.
bool linear_library_is_demanded();

}  // namespace bertcnn::kernels
