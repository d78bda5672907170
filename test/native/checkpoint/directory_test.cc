// Opening directories: which file is taken, and shards.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

namespace fs = std::filesystem;

/// A folder with the fixture's shards and an index of the test's own.
class Shards {
 public:
  explicit Shards(const std::string& weight_map) {
    fs::copy(fixture("sharded_safetensors"), folder_.path());
    write_bytes(folder_ / "model.safetensors.index.json", R"({"weight_map":)" + weight_map + "}");
  }
  const TemporaryFolder& folder() const { return folder_; }
  std::string error() const { return error_of_opening(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

const std::string first = "model-00001-of-00002.safetensors";
const std::string second = "model-00002-of-00002.safetensors";

std::string weight_map(const std::string& a, const std::string& b, const std::string& c) {
  return R"({"a":")" + a + R"(","b":")" + b + R"(","c":")" + c + "\"}";
}

TEST(OpenDirectory, ReadsShardsOfEitherFormat) {
  for (const char* const name : {"sharded_safetensors", "sharded_pytorch"}) {
    const Checkpoint checkpoint = Checkpoint::open(fixture(name));
    EXPECT_EQ(names_of(checkpoint), (std::vector<std::string>{"a", "b", "c"})) << name;
    expect_fixture_tensor(checkpoint, "a", DType::float32, {2, 3});
    expect_fixture_tensor(checkpoint, "b", DType::float32, {4});
    expect_fixture_tensor(checkpoint, "c", DType::float32, {2});
  }
  EXPECT_EQ(Checkpoint::open(fixture("sharded_safetensors") + "/").metadata(),
            (Metadata{{"format", "pt"}}));
}

TEST(OpenDirectory, ReadsShardsInPytorchsOldFormat) {
  const TemporaryFolder folder;
  fs::copy(fixture("legacy/protocol2.pt"), folder / "one.bin");
  fs::copy(fixture("legacy/dtypes.pt"), folder / "two.bin");
  write_bytes(folder / "pytorch_model.bin.index.json",
              R"({"weight_map":{"weight":"one.bin","float16":"two.bin"}})");
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_EQ(checkpoint.tensors().size(), 13U);
  expect_fixture_tensor(checkpoint, "weight", DType::float32, {2, 3});
  expect_fixture_tensor(checkpoint, "float16", DType::float16, {2, 3});
}

TEST(OpenDirectory, NamesACheckpointOfAnotherLibrary) {
  for (const std::string name : {"tf_model.h5", "bert_model.ckpt.index", "flax_model.msgpack"}) {
    const TemporaryFolder folder;
    write_bytes(folder / name, "x");
    const std::string error = error_of_opening(folder.path());
    EXPECT_TRUE(contains(error, "ERR_FILE_NOT_FOUND: "));
    EXPECT_TRUE(contains(error, "It holds \"" + name + "\", which is not read"));
    EXPECT_TRUE(contains(error, "docs/checkpoints.md"));
  }
}

TEST(OpenDirectory, TakesTheFirstOfItsNames) {
  const TemporaryFolder folder;
  const std::string shards = R"({"weight_map":{"x":"none"}})";
  const auto error = [&] { return error_of_opening(folder.path()); };
  EXPECT_EQ(error(), "ERR_FILE_NOT_FOUND: no checkpoint in the directory " + folder.path() +
                         "; looked for model.safetensors, model.safetensors.index.json, "
                         "pytorch_model.bin, pytorch_model.bin.index.json");
  write_bytes(folder / "pytorch_model.bin.index.json", shards);
  EXPECT_TRUE(contains(error(), "/pytorch_model.bin.index.json names"));
  fs::copy(fixture("lightning.pt"), folder / "pytorch_model.bin");
  EXPECT_EQ(Checkpoint::open(folder.path()).tensors().size(), 7U);
  write_bytes(folder / "model.safetensors.index.json", shards);
  EXPECT_TRUE(contains(error(), "/model.safetensors.index.json names"));
  fs::copy(fixture("dtypes.safetensors"), folder / "model.safetensors");
  EXPECT_EQ(Checkpoint::open(folder.path()).tensors().size(), 12U);
}

TEST(OpenDirectory, TellsFilesApartByTheirContent) {
  const TemporaryFolder folder;
  fs::copy(fixture("dtypes.pt"), folder / "model.safetensors");
  EXPECT_EQ(Checkpoint::open(folder.path()).tensors().size(), 12U);
  fs::copy(fixture("dtypes.safetensors"), folder / "weights.bin");
  EXPECT_EQ(Checkpoint::open(folder / "weights.bin").tensors().size(), 12U);
}

TEST(OpenDirectory, FollowsSymbolicLinks) {
  const TemporaryFolder folder;
  fs::copy(fixture("dtypes.safetensors"), folder / "blob");
  fs::create_directory(folder / "snapshot");
  fs::create_symlink("../blob", folder / "snapshot/model.safetensors");
  EXPECT_EQ(Checkpoint::open(folder / "snapshot").tensors().size(), 12U);
}

TEST(OpenFile, NamesAFileThatIsNotThere) {
  EXPECT_EQ(error_of_opening("/nonexistent/model.safetensors"),
            "ERR_FILE_NOT_FOUND: no such file: /nonexistent/model.safetensors");
  EXPECT_TRUE(contains(error_of_opening(fixture("dtypes.pt") + "/x"), "ERR_FILE_NOT_FOUND: "));
  EXPECT_TRUE(
      contains(error_of_opening("/dev/null"), "ERR_IO: cannot read /dev/null: not a regular"));
  EXPECT_TRUE(contains(error_of_opening(""), "ERR_FILE_NOT_FOUND: "));
}

TEST(ShardIndex, EveryNameMustBeInItsShard) {
  EXPECT_EQ(Shards(weight_map(first, first, second)).error(), "");
  EXPECT_TRUE(contains(Shards(weight_map(first, second, second)).error(),
                       "the tensor \"b\" is not in " + second + ", where weight_map says it is"));
  EXPECT_TRUE(contains(Shards(R"({"a":")" + first + R"(","zzz":")" + first + "\"}").error(),
                       "the tensor \"zzz\" is not in " + first));
}

TEST(ShardIndex, ATensorInTwoShardsIsRefused) {
  Shards shards(weight_map(first, first, "copy.safetensors"));
  fs::copy(shards.folder() / first, shards.folder() / "copy.safetensors");
  EXPECT_TRUE(contains(shards.error(), "the tensor \"a\" is there twice"));
}

TEST(ShardIndex, AMissingShardIsNamed) {
  Shards shards(weight_map(first, first, "gone.safetensors"));
  EXPECT_TRUE(contains(shards.error(), "ERR_FILE_NOT_FOUND: no such file: "));
  EXPECT_TRUE(contains(shards.error(), "/gone.safetensors, a shard that "));
}

TEST(ShardIndex, OnlyPlainFileNamesAreTaken) {
  for (const std::string name :
       {"../secret", "/etc/passwd", "sub/model", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    const std::string error = Shards(R"({"a":")" + name + "\"}").error();
    EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: "));
    EXPECT_TRUE(contains(error, "is no plain file name"));
  }
  EXPECT_TRUE(contains(Shards(R"({"a":")" + std::string(300, 'x') + "\"}").error(),
                       "is no plain file name"));
}

TEST(ShardIndex, RefusesWhatIsNotAnIndex) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected an object"},
      {"[]", "expected an object"},
      {"{}", "no weight_map, so not an index of shards"},
      {R"({"weight_map":[]})", "expected an object"},
      {R"({"weight_map":{"a":1}})", "expected a string"},
      {R"({"weight_map":{},"weight_map":{}})", "weight_map is there twice"},
      {R"({"weight_map":{}} x)", "expected the end of the text"},
  };
  for (const auto& [text, reason] : cases) {
    const TemporaryFolder folder;
    write_bytes(folder / "model.safetensors.index.json", text);
    const std::string error = error_of_opening(folder.path());
    EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: "));
    EXPECT_TRUE(contains(error, "model.safetensors.index.json"));
    EXPECT_TRUE(contains(error, reason));
  }
}

}  // namespace
}  // namespace bertcnn::checkpoint
