#include "cuda/host/loader.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace bertcnn::cuda {
namespace {

constexpr const char* kRemedy = "run 'npx bertcnn setup --variant cuda'";

/// What the dynamic loader said last.
std::string loader_words() {
  const char* words = dlerror();
  return words == nullptr ? "no reason given" : words;
}

std::string misfit(const Entry& entry, std::string_view libtorch) {
  if (entry.interface_version != kInterfaceVersion) {
    return "it has interface " + std::to_string(entry.interface_version) + ", the addon needs " +
           std::to_string(kInterfaceVersion);
  }
  if (libtorch != entry.libtorch) {
    return std::string("it was built with libtorch ") + entry.libtorch + ", the addon with " +
           std::string(libtorch);
  }
  return "";
}

}  // namespace

LoadedLibrary load_library(const std::string& file, std::string_view libtorch) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    return {.missing = file + " has not been built; " + kRemedy};
  }
  LoadedLibrary loaded{.was_built = true};
  // Global, since libtorch_cuda comes with it, which other libraries of PyTorch look for.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    loaded.missing = file + " cannot be loaded (" + loader_words() + "); " + kRemedy;
    return loaded;
  }
  const auto entry_point = reinterpret_cast<EntryPoint>(dlsym(library, kEntryPoint));
  if (entry_point == nullptr) {
    loaded.missing = file + " does not belong to this addon (" + loader_words() + "); " + kRemedy;
    return loaded;
  }
  const Entry* entry = entry_point();
  if (const std::string reason = misfit(*entry, libtorch); !reason.empty()) {
    loaded.missing = file + " does not fit (" + reason + "); " + kRemedy + " --force";
    return loaded;
  }
  loaded.entry = entry;
  return loaded;
}

std::string library_file() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&library_file), &info);
  const std::filesystem::path binary = info.dli_fname == nullptr ? "" : info.dli_fname;
  return (binary.parent_path() / kLibraryName).string();
}

std::string missing_card() {
  constexpr const char* kDriver = "libcuda.so.1";
  if (dlopen(kDriver, RTLD_LAZY) == nullptr) {
    return std::string("there is no NVIDIA driver (") + kDriver + "); install one";
  }
  return "the NVIDIA driver offers no card (is CUDA_VISIBLE_DEVICES set, or the driver too old for "
         "this CUDA? 'nvidia-smi' tells)";
}

}  // namespace bertcnn::cuda
