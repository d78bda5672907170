#include "cuda/host/loader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace {

using bertcnn::cuda::load_library;
using bertcnn::cuda::LoadedLibrary;

std::string fake(const std::string& name) {
  return std::string(BERTCNN_FAKE_LIBRARIES) + "/lib" + name + ".so";
}

TEST(CudaLoader, TakesALibraryThatFits) {
  const LoadedLibrary loaded = load_library(fake("fake_cuda"), "2.14");
  ASSERT_NE(loaded.entry, nullptr) << loaded.missing;
  EXPECT_EQ(loaded.missing, "");
  EXPECT_TRUE(loaded.was_built);
  EXPECT_STREQ(loaded.entry->libtorch, "2.14");
}

TEST(CudaLoader, SaysThatTheLibraryWasNotBuiltAndWhatBuildsIt) {
  const LoadedLibrary loaded = load_library("/nowhere/libbertcnn_cuda.so", "2.14");
  EXPECT_EQ(loaded.entry, nullptr);
  EXPECT_FALSE(loaded.was_built);
  EXPECT_EQ(loaded.missing,
            "/nowhere/libbertcnn_cuda.so has not been built; run 'npx bertcnn setup --variant "
            "cuda'");
}

TEST(CudaLoader, PassesOnWhatTheDynamicLoaderSays) {
  const std::string file = std::string(testing::TempDir()) + "libempty_cuda.so";
  std::ofstream(file).close();
  const LoadedLibrary loaded = load_library(file, "2.14");
  std::filesystem::remove(file);
  EXPECT_EQ(loaded.entry, nullptr);
  EXPECT_TRUE(loaded.was_built);
  EXPECT_NE(loaded.missing.find("file too short"), std::string::npos) << loaded.missing;
  EXPECT_NE(loaded.missing.find("npx bertcnn setup --variant cuda"), std::string::npos);
}

TEST(CudaLoader, RefusesALibraryWithAnotherInterface) {
  const LoadedLibrary loaded = load_library(fake("fake_cuda_interface"), "2.14");
  EXPECT_EQ(loaded.entry, nullptr);
  EXPECT_NE(loaded.missing.find("it has interface 99, the addon needs"), std::string::npos)
      << loaded.missing;
  EXPECT_NE(loaded.missing.find("--force"), std::string::npos);
}

TEST(CudaLoader, RefusesALibraryOfAnotherLibtorch) {
  const LoadedLibrary loaded = load_library(fake("fake_cuda"), "2.13");
  EXPECT_EQ(loaded.entry, nullptr);
  EXPECT_NE(loaded.missing.find("it was built with libtorch 2.14, the addon with 2.13"),
            std::string::npos)
      << loaded.missing;
}

TEST(CudaLoader, RefusesALibraryWithoutTheEntryPoint) {
  const LoadedLibrary loaded = load_library(fake("fake_cuda_entry"), "2.14");
  EXPECT_EQ(loaded.entry, nullptr);
  EXPECT_NE(loaded.missing.find("does not belong to this addon"), std::string::npos)
      << loaded.missing;
}

TEST(CudaLoader, LooksBesideTheBinaryThatItIsIn) {
  const std::filesystem::path file = bertcnn::cuda::library_file();
  EXPECT_EQ(file.filename(), "libbertcnn_cuda.so");
  const auto self = std::filesystem::canonical("/proc/self/exe").parent_path();
  EXPECT_EQ(std::filesystem::canonical(file.parent_path()), self);
}

}  // namespace
