#include "model/weights.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "checkpoint/test_files.h"
#include "error.h"
#include "random_model.h"

namespace bertcnn::model {
namespace {

using bertcnn::checkpoint::Checkpoint;
using bertcnn::checkpoint::TemporaryFolder;
using bertcnn::testing::kTinyConfig;
using bertcnn::testing::max_difference;
using bertcnn::testing::random_model;

/// Loads the weights of one model, renamed by `rename`, into another; the largest difference then.
template <typename Rename>
double difference_after_renaming(Rename&& rename) {
  const BertCnn source = random_model({}, kTinyConfig, 1);
  const BertCnn target = random_model({}, kTinyConfig, 2);
  SavedWeights saved = save_weights(source.parameters());
  for (checkpoint::Tensor& tensor : saved.tensors) tensor.name = rename(tensor.name);
  const TemporaryFolder folder;
  checkpoint::write_safetensors(folder / "file", saved.tensors, {});
  load_weights(target, Checkpoint::open(folder / "file"), Matching::strict);
  double difference = 0;
  for (size_t i = 0; i < source.parameters().size(); ++i) {
    const double now = max_difference(source.parameters()[i].tensor, target.parameters()[i].tensor);
    difference = std::max(difference, now);
  }
  return difference;
}

TEST(Weights, LoadUnderTheirOwnNames) {
  EXPECT_EQ(difference_after_renaming([](const std::string& name) { return name; }), 0);
}

TEST(Weights, LoadBehindThePrefixesOfWrappedModules) {
  for (const std::string prefix :
       {"module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."}) {
    EXPECT_EQ(difference_after_renaming([&](const std::string& name) { return prefix + name; }), 0)
        << prefix;
  }
}

TEST(Weights, LoadWithoutThePrefixOfBertAndUnderTheOldNamesOfItsLayerNorms) {
  const auto old_name = [](std::string name) {
    const auto replace = [&name](const std::string& from, const std::string& to) {
      const size_t at = name.rfind(from);
      if (at != std::string::npos) name.replace(at, from.size(), to);
    };
    replace("LayerNorm.weight", "LayerNorm.gamma");
    replace("LayerNorm.bias", "LayerNorm.beta");
    replace("bert.", "");
    return name;
  };
  EXPECT_EQ(difference_after_renaming(old_name), 0);
}

TEST(Weights, OneNameForTwoTensorsIsRefused) {
  const std::string bytes(4, 'x');
  const auto tensor = [&](const char* name) {
    return checkpoint::Tensor{
        name, checkpoint::DType::float32, {1}, std::as_bytes(std::span(bytes))};
  };
  const TemporaryFolder folder;
  const std::vector<checkpoint::Tensor> tensors = {tensor("fc.bias"), tensor("module.fc.bias")};
  checkpoint::write_safetensors(folder / "file", tensors, {});
  const Checkpoint source = Checkpoint::open(folder / "file");
  EXPECT_TRUE(checkpoint::contains(
      checkpoint::error_of([&] { load_weights(random_model(), source, Matching::lenient); }),
      "ERR_CHECKPOINT_MISMATCH: Two tensors of the checkpoint stand for 'fc.bias'"));
}

}  // namespace
}  // namespace bertcnn::model
