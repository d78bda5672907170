#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

std::string legacy(const std::string& name) {
  return fixture("legacy/" + name);
}

TEST(LegacyPytorchFile, ReadsEveryDtype) {
  const Checkpoint checkpoint = Checkpoint::open(legacy("dtypes.pt"));
  EXPECT_EQ(checkpoint.tensors().size(), 12U);
  for (const auto& [name, dtype] : every_dtype()) {
    expect_fixture_tensor(checkpoint, name, dtype, {2, 3});
  }
  expect_fixture_tensor(checkpoint, "scalar", DType::float32, {});
  expect_fixture_tensor(checkpoint, "empty", DType::float32, {0, 4});
}

TEST(LegacyPytorchFile, ReadsEveryPickleProtocol) {
  for (const std::string protocol : {"2", "3", "4", "5"}) {
    const Checkpoint checkpoint = Checkpoint::open(legacy("protocol" + protocol + ".pt"));
    EXPECT_EQ(names_of(checkpoint), std::vector<std::string>{"weight"});
    expect_fixture_tensor(checkpoint, "weight", DType::float32, {2, 3});
  }
}

TEST(LegacyPytorchFile, ReadsEveryLayoutAsTheZipFormatDoes) {
  const Checkpoint zipped = Checkpoint::open(fixture("layouts.pt"));
  const Checkpoint checkpoint = Checkpoint::open(legacy("layouts.pt"));
  EXPECT_EQ(names_of(checkpoint), names_of(zipped));
  for (const Tensor& tensor : zipped.tensors()) {
    EXPECT_EQ(tensor_of(checkpoint, tensor.name).shape, tensor.shape) << tensor.name;
    EXPECT_EQ(values_of(tensor_of(checkpoint, tensor.name)), values_of(tensor)) << tensor.name;
  }
  EXPECT_EQ(tensor_of(checkpoint, "tied").bytes.data(),
            tensor_of(checkpoint, "contiguous").bytes.data());
}

TEST(LegacyPytorchFile, FindsTheStateDictInATrainingCheckpoint) {
  const Checkpoint checkpoint = Checkpoint::open(legacy("model_key.pt"));
  EXPECT_EQ(checkpoint.tensors().size(), 7U);
  expect_fixture_tensor(checkpoint, "linear.weight", DType::float32, {2, 3});
}

TEST(LegacyPytorchFile, RefusesPythonObjectsByNameAndRunsNothing) {
  const std::string command = error_of_opening(legacy("runs_a_command.pt"));
  EXPECT_TRUE(contains(command, "ERR_CHECKPOINT_FORMAT: "));
  EXPECT_TRUE(contains(command, "the Python object \"posix.system\""));
  const std::string module = error_of_opening(legacy("whole_module.pt"));
  EXPECT_TRUE(contains(module, "the Python object \"__main__.Sourceless\""));
  EXPECT_TRUE(contains(module, "torch.save(model.state_dict(), file)"));
}

TEST(LegacyPytorchFile, SurvivesAnyDamage) {
  for (const char* const name : {"protocol2.pt", "protocol5.pt", "layouts.pt"}) {
    expect_damage_is_survived(std::string("legacy/") + name);
  }
}

// ---- Files that no PyTorch writes, opcode by opcode.

std::string number_opcode(int32_t number) {
  std::string bytes(1 + sizeof(number), 'J');
  std::memcpy(bytes.data() + 1, &number, sizeof(number));
  return bytes;
}

std::string text_opcode(const std::string& text) {
  return "\x8c" + std::string(1, static_cast<char>(text.size())) + text;
}

std::string pickle(const std::string& opcodes) {
  return "\x80\x02" + opcodes + ".";
}

struct HostileStorage {
  std::string type = "FloatStorage";
  std::string key = "0";
  int32_t elements = 1;
  std::string view = "N";
};

std::string tensor_opcodes(const HostileStorage& storage) {
  return "ctorch._utils\n_rebuild_tensor\n((" + text_opcode("storage") + "ctorch\n" + storage.type +
         "\n" + text_opcode(storage.key) + text_opcode("cpu") + number_opcode(storage.elements) +
         storage.view + "tQ" + number_opcode(0) + "))tR";
}

/// As protocol 4 writes it: in a frame, whose length comes first.
std::string framed_pickle(const std::string& opcodes) {
  const uint64_t size = opcodes.size() + 1;
  std::string length(sizeof(size), '\0');
  std::memcpy(length.data(), &size, sizeof(size));
  return "\x80\x04\x95" + length + opcodes + ".";
}

struct HostileFile {
  bool framed = false;
  int32_t version = 1001;
  std::string little_endian = "\x88";
  std::vector<HostileStorage> storages = {HostileStorage()};
  std::string keys = "](" + text_opcode("0") + "e";
  int64_t stored_elements = 1;
  std::string elements = "1234";
};

std::string bytes_of_file(const HostileFile& file) {
  std::string tensors;
  for (size_t i = 0; i < file.storages.size(); ++i) {
    tensors += text_opcode(std::to_string(i)) + tensor_opcodes(file.storages[i]);
  }
  std::string count(sizeof(file.stored_elements), '\0');
  std::memcpy(count.data(), &file.stored_elements, count.size());
  return pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") +
         pickle(number_opcode(file.version)) +
         pickle("}(" + text_opcode("little_endian") + file.little_endian + "u") +
         (file.framed ? framed_pickle : pickle)("}(" + tensors + "u") + pickle(file.keys) + count +
         file.elements;
}

std::string error_of_file(const HostileFile& file) {
  return error_of_bytes(bytes_of_file(file));
}

TEST(LegacyPytorchFile, ReadsPicklesOfAnyLengthFromTheDisk) {
  const TemporaryFolder folder;
  const std::string path = folder / "long.pt";
  HostileFile file;
  for (const size_t tensors : {1U, 1000U, 10'000U}) {
    file.storages.resize(tensors);  // all of one storage
    for (const bool framed : {true, false}) {
      file.framed = framed;
      write_bytes(path, bytes_of_file(file));
      EXPECT_EQ(Checkpoint::open(path).tensors().size(), tensors);
    }
  }
  const std::string whole = bytes_of_file(file);
  write_bytes(path, whole.substr(0, whole.size() / 2));
  EXPECT_TRUE(contains(error_of_opening(path), "the pickle is cut off"));
}

TEST(HostileLegacyPytorchFile, TheFileThatTheCasesBelowStartFromIsRead) {
  EXPECT_EQ(error_of_file({}), "");
}

TEST(HostileLegacyPytorchFile, OtherMachinesAndVersionsAreRefused) {
  const std::string big = error_of_file({.little_endian = "\x89"});
  EXPECT_TRUE(contains(big, "ERR_CHECKPOINT_FORMAT: file: written on a big-endian machine"));
  EXPECT_TRUE(contains(error_of_file({.version = 1002}), "does not have the version 1001"));
}

TEST(HostileLegacyPytorchFile, StoragesThatDoNotFitAreRefused) {
  EXPECT_TRUE(contains(error_of_file({.storages = {{.elements = 2}}}), "beyond the file's end"));
  EXPECT_TRUE(
      contains(error_of_file({.storages = {{.elements = INT32_MAX}}}), "beyond the file's end"));
  EXPECT_TRUE(contains(error_of_file({.storages = {{.elements = -1}}}), "beyond the file's end"));
  EXPECT_TRUE(contains(error_of_file({.elements = "123"}), "beyond the file's end"));
  EXPECT_TRUE(contains(error_of_file({.stored_elements = 2}), "has 2 elements, but its tensor"));
  EXPECT_TRUE(contains(error_of_file({.storages = {{}, {.elements = 2}}}),
                       "1 elements of float32 for one tensor and 2 of float32 for another"));
  EXPECT_TRUE(contains(error_of_file({.storages = {{}, {.type = "IntStorage"}}}),
                       "1 elements of float32 for one tensor and 1 of int32 for another"));
}

TEST(HostileLegacyPytorchFile, KeysThatDoNotFitAreRefused) {
  const std::string key = text_opcode("0");
  EXPECT_TRUE(contains(error_of_file({.keys = "]"}), "does not have its storage \"0\""));
  EXPECT_TRUE(contains(error_of_file({.keys = "N"}), "no list of the storages' keys"));
  EXPECT_TRUE(contains(error_of_file({.keys = "](" + key + key + "e"}), "there twice"));
  EXPECT_TRUE(contains(error_of_file({.keys = "](" + text_opcode("1") + "e"}), "to no tensor"));
  EXPECT_TRUE(contains(error_of_file({.storages = {{.key = std::string(101, '0')}}}),
                       "its storage is not named as torch.save does"));
}

TEST(HostileLegacyPytorchFile, ViewsOfStoragesAreRefused) {
  EXPECT_TRUE(contains(error_of_file({.storages = {{.view = ")"}}}), "a view of another one"));
}

}  // namespace
}  // namespace bertcnn::checkpoint
