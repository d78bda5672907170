#include "kernels/linear_tuning.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <torch/headeronly/version.h>
#include "checkpoint/atomic_file.h"

#include "error.h"
#include "json.h"
#include "kernels/onednn.h"
#include "read_file.h"

namespace bertcnn::kernels {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestFile = 1 << 20;

const char* name_of(LinearLibrary library) {
  return library == LinearLibrary::aten ? "aten" : "onednn";
}

std::optional<LinearLibrary> library_called(std::string_view name) {
  if (name == "aten") return LinearLibrary::aten;
  if (name == "onednn") return LinearLibrary::onednn;
  return std::nullopt;
}

std::optional<LinearLibrary> demanded_library() {
  const char* value = std::getenv("BERTCNN_LINEAR");
  if (value == nullptr || *value == '\0') return std::nullopt;
  const auto library = library_called(value);
  if (!library) {
    fail("ERR_INVALID_ARGUMENT", "Expected 'aten' or 'onednn' for BERTCNN_LINEAR but received '",
         value, "'.");
  }
  return library;
}

// ---- measuring

template <typename Run>
double seconds(Run&& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// How many times as long `one` takes as `other`, by the shortest run of each. They take turns, so
/// that what else the machine does meets both.
template <typename One, typename Other>
double time_ratio(One&& one, Other&& other) {
  constexpr int kRounds = 8;
  double shortest_one = std::numeric_limits<double>::infinity();
  double shortest_other = shortest_one;
  for (int i = 0; i <= kRounds; ++i) {
    const double times[] = {seconds(one), seconds(other)};
    if (i == 0) continue;  // pays for setting up
    shortest_one = std::min(shortest_one, times[0]);
    shortest_other = std::min(shortest_other, times[1]);
  }
  return shortest_one / shortest_other;
}

/// A batch and a short text weigh the same: what is compared is the product of the two ratios.
LinearLibrary measure(Arithmetic arithmetic, int64_t in, int64_t out) {
  // oneDNN also fuses what follows the product, and a mistake costs more than it can gain: of two
  // that are about equal it is the one.
  constexpr double kClearly = 1.1;
  const c10::InferenceMode inference;
  const at::ScalarType type = arithmetic == Arithmetic::bfloat16 ? at::kBFloat16 : at::kFloat;
  const at::Tensor weight = at::ones({out, in}, type);  // values do not matter to the time
  const at::Tensor bias = at::zeros({out}, type);
  const at::Tensor packed = onednn::pack(weight);
  double ratio = 1;
  for (const int64_t rows : {16, 512}) {
    const at::Tensor x = at::ones({rows, in}, type);
    ratio *= time_ratio([&] { onednn::linear(x, packed, bias, "none", ""); },
                        [&] { at::linear(x, weight, bias); });
  }
  return ratio > kClearly * kClearly ? LinearLibrary::aten : LinearLibrary::onednn;
}

// ---- what was measured before

fs::path cache_file() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value == nullptr ? "" : value);
  };
  fs::path folder = variable("BERTCNN_CACHE");
  if (folder.empty()) {
    fs::path base = variable("XDG_CACHE_HOME");
    if (base.empty()) base = variable("HOME") / ".cache";
    folder = base / "bertcnn";
  }
  return folder / "linear.json";
}

/// The processor's name as the system tells it, or an empty string.
std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 1);
  }
  return "";
}

/// Where one of these changes, what was measured before does not count.
std::string machine_key() {
  const char* most = std::getenv("ONEDNN_MAX_CPU_ISA");
  return processor_name() + "; " + at::get_cpu_capability() + "; oneDNN " +
         (most == nullptr ? "unlimited" : most) + "; " + std::to_string(at::get_num_threads()) +
         " threads; libtorch " + TORCH_VERSION;
}

/// What is in the file, or null where nothing usable is.
json::Value read_cache(const fs::path& file) {
  try {
    return json::parse(read_regular_file(file.string(), kLargestFile), file.string());
  } catch (const Error&) {
    return {};
  }
}

/// A cache that can't be written is no reason to fail.
void write_cache(const fs::path& file, const json::Value& cache) {
  try {
    fs::create_directories(file.parent_path());
    checkpoint::AtomicFile target(file.string());
    target.write(json::write(cache) + "\n");
    target.commit();
  } catch (const std::exception&) {
    return;
  }
}

std::optional<LinearLibrary> remembered(const json::Value& cache, const std::string& machine,
                                        const std::string& shape) {
  const json::Value* shapes = cache.find(machine);
  const json::Value* name = shapes == nullptr ? nullptr : shapes->find(shape);
  return name != nullptr && name->is_string() ? library_called(name->as_string()) : std::nullopt;
}

LinearLibrary recall_or_measure(Arithmetic arithmetic, int64_t in, int64_t out,
                                const std::string& shape) {
  const fs::path file = cache_file();
  const std::string machine = machine_key();
  if (const auto library = remembered(read_cache(file), machine, shape)) return *library;
  const LinearLibrary library = measure(arithmetic, in, out);
  json::Value cache = read_cache(file);  // another process may have written meanwhile
  if (!cache.is_object()) cache = json::Object();
  const json::Value* known = cache.find(machine);
  json::Value shapes =
      known != nullptr && known->is_object() ? *known : json::Value(json::Object());
  shapes.set(shape, name_of(library));
  cache.set(machine, shapes);
  write_cache(file, cache);
  return library;
}

/// What was chosen in this process, by precision and shape.
struct Choices {
  std::mutex mutex;
  std::map<std::string, LinearLibrary> by_shape;
};

Choices& choices() {
  static Choices all;
  return all;
}

}  // namespace

bool linear_library_is_demanded() {
  return demanded_library().has_value();
}

LinearLibrary choose_linear_library(Arithmetic arithmetic, int64_t in, int64_t out) {
  if (arithmetic == Arithmetic::int8) return LinearLibrary::onednn;
  if (const auto library = demanded_library()) return *library;
  auto& [mutex, known] = choices();
  const std::string shape =
      std::string(arithmetic == Arithmetic::bfloat16 ? "bfloat16 " : "float32 ") +
      std::to_string(in) + " -> " + std::to_string(out);
  const std::scoped_lock lock(mutex);
  const auto found = known.find(shape);
  if (found != known.end()) return found->second;
  return known[shape] = recall_or_measure(arithmetic, in, out, shape);
}

std::map<std::string, std::string> chosen_linear_libraries() {
  auto& [mutex, known] = choices();
  const std::scoped_lock lock(mutex);
  std::map<std::string, std::string> names;
  for (const auto& [shape, library] : known) names[shape] = name_of(library);
  return names;
}

void choose_linear_libraries(const std::map<std::string, std::string>& libraries) {
  std::map<std::string, LinearLibrary> chosen;
  for (const auto& [shape, name] : libraries) {
    const auto library = library_called(name);
    if (!library) {
      fail("ERR_INVALID_ARGUMENT", "Expected 'aten' or 'onednn' for ", shape, " but received '",
           name, "'.");
    }
    chosen[shape] = *library;
  }
  auto& [mutex, known] = choices();
  const std::scoped_lock lock(mutex);
  for (const auto& [shape, library] : chosen) known[shape] = library;
}

}  // namespace bertcnn::kernels
