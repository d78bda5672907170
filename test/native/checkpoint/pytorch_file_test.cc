#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/atomic_file.h"
#include "checkpoint/pickle.h"
#include "checkpoint/test_files.h"
#include "checkpoint/zip.h"

namespace bertcnn::checkpoint {
namespace {

/// The state dict of the module in scripts/fixtures/checkpoint.py.
void expect_the_module(const Checkpoint& checkpoint, const std::string& prefix = "") {
  expect_fixture_tensor(checkpoint, prefix + "linear.weight", DType::float32, {2, 3});
  expect_fixture_tensor(checkpoint, prefix + "linear.bias", DType::float32, {2});
  expect_fixture_tensor(checkpoint, prefix + "norm.weight", DType::float32, {2});
}

/// Replaces the one place where `from` stands; both must be of one length.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  EXPECT_EQ(from.size(), to.size());
  const size_t at = bytes.find(from);
  if (at == std::string::npos) {
    throw std::runtime_error("not found: " + from);
  }
  return bytes.replace(at, to.size(), to);
}

TEST(PytorchFile, ReadsEveryDtypeWrittenByPython) {
  const Checkpoint checkpoint = Checkpoint::open(fixture("dtypes.pt"));
  EXPECT_EQ(checkpoint.tensors().size(), 12U);
  for (const auto& [name, dtype] : every_dtype()) {
    expect_fixture_tensor(checkpoint, name, dtype, {2, 3});
  }
  expect_fixture_tensor(checkpoint, "scalar", DType::float32, {});
  expect_fixture_tensor(checkpoint, "empty", DType::float32, {0, 4});
  EXPECT_TRUE(checkpoint.metadata().empty());
}

TEST(PytorchFile, ReadsPickleProtocols2To5) {
  for (const std::string protocol : {"2", "3", "4", "5"}) {
    const Checkpoint checkpoint = Checkpoint::open(fixture("protocol" + protocol + ".pt"));
    EXPECT_EQ(names_of(checkpoint), (std::vector<std::string>{"weight", "é.bias"}));
    expect_fixture_tensor(checkpoint, "weight", DType::float32, {2, 3});
    expect_fixture_tensor(checkpoint, "é.bias", DType::float32, {2});
  }
}

TEST(PytorchFile, ReadsAStateDictInItsOrder) {
  const Checkpoint checkpoint = Checkpoint::open(fixture("state_dict.pt"));
  EXPECT_EQ(names_of(checkpoint),
            (std::vector<std::string>{"linear.weight", "linear.bias", "norm.weight", "norm.bias",
                                      "norm.running_mean", "norm.running_var",
                                      "norm.num_batches_tracked"}));
  expect_the_module(checkpoint);
  expect_fixture_tensor(checkpoint, "norm.num_batches_tracked", DType::int64, {});
}

TEST(PytorchFile, ReadsParameters) {
  expect_the_module(Checkpoint::open(fixture("parameters.pt")));
}

TEST(PytorchFile, KeepsNamesAsTheyAre) {
  expect_the_module(Checkpoint::open(fixture("data_parallel.pt")), "module.");
}

TEST(PytorchFile, FindsTheStateDictInATrainingCheckpoint) {
  for (const char* const name : {"training.pt", "lightning.pt", "model_key.pt"}) {
    const Checkpoint checkpoint = Checkpoint::open(fixture(name));
    EXPECT_EQ(checkpoint.tensors().size(), 7U) << name;
    expect_the_module(checkpoint);
  }
}

TEST(PytorchFile, RefusesADictWithoutAStateDictAndNamesItsKeys) {
  const std::string error = error_of_opening(fixture("no_weights.pt"));
  EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: "));
  EXPECT_TRUE(contains(error, "its dict holds no tensors"));
  EXPECT_TRUE(contains(error, "\"epoch\", \"step\""));
  EXPECT_TRUE(contains(error_of_opening(fixture("two_state_dicts.pt")), "several state dicts"));
  EXPECT_TRUE(contains(error_of_opening(fixture("list.pt")), "it holds no dict of tensors"));
}

TEST(PytorchFile, MakesEveryLayoutContiguous) {
  const Checkpoint checkpoint = Checkpoint::open(fixture("layouts.pt"));
  using Values = std::vector<double>;
  const auto values = [&](const char* name) { return values_of(tensor_of(checkpoint, name)); };
  const auto quarters = [](Values numbers) {
    for (double& number : numbers) {
      number = number / 4 - 1;
    }
    return numbers;
  };
  expect_fixture_tensor(checkpoint, "contiguous", DType::float32, {3, 4});
  expect_fixture_tensor(checkpoint, "tied", DType::float32, {3, 4});
  EXPECT_EQ(tensor_of(checkpoint, "transposed").shape, (std::vector<int64_t>{4, 3}));
  EXPECT_EQ(values("transposed"), quarters({0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(values("rows"), quarters({4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values("columns"), quarters({1, 2, 5, 6, 9, 10}));
  EXPECT_EQ(values("every_other"), quarters({0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(tensor_of(checkpoint, "permuted").shape, (std::vector<int64_t>{4, 2, 3}));
  EXPECT_EQ(values("permuted"), quarters({0, 4, 8,  12, 16, 20, 1, 5, 9,  13, 17, 21,
                                          2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23}));
  expect_fixture_tensor(checkpoint, "one_wide", DType::float32, {1, 3});
  EXPECT_EQ(values("half"), quarters({0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values("double"), quarters({0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values("byte"), (Values{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(tensor_of(checkpoint, "empty_view").shape, (std::vector<int64_t>{0, 4}));
}

TEST(PytorchFile, TensorsThatAreNotContiguousAreReadOnlyWhenTheyAreCopied) {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  for (const std::string name : {"layouts.pt", "legacy/layouts.pt"}) {
    std::filesystem::copy_file(fixture(name), path,
                               std::filesystem::copy_options::overwrite_existing);
    const Checkpoint checkpoint = Checkpoint::open(path);
    // As another process may: a look at the map would now end this one.
    std::filesystem::resize_file(path, 100);
    for (const char* const tensor_name : {"transposed", "columns", "permuted", "half", "double"}) {
      const Tensor& tensor = tensor_of(checkpoint, tensor_name);
      std::vector<float> out(static_cast<size_t>(tensor.numel()));
      EXPECT_EQ(error_of([&] { copy_as_float32(tensor, out.data()); }),
                "ERR_IO: cannot read " + path + ": it was cut short meanwhile");
    }
  }
}

TEST(PytorchFile, TiedTensorsShareTheirBytes) {
  const Checkpoint checkpoint = Checkpoint::open(fixture("layouts.pt"));
  EXPECT_EQ(tensor_of(checkpoint, "tied").bytes.data(),
            tensor_of(checkpoint, "contiguous").bytes.data());
}

TEST(PytorchFile, RefusesExpandedTensors) {
  const std::string error = error_of_opening(fixture("expanded.pt"));
  EXPECT_TRUE(
      contains(error,
               "tensor \"expanded\" of size [2, 1000] and stride [1, 0] repeats elements of "
               "its storage"));
  EXPECT_TRUE(contains(error, ".contiguous()"));
}

TEST(PytorchFile, RefusesPythonObjectsByNameAndRunsNothing) {
  const std::string command = error_of_opening(fixture("runs_a_command.pt"));
  EXPECT_TRUE(contains(command, "ERR_CHECKPOINT_FORMAT: "));
  EXPECT_TRUE(contains(command, "the Python object \"posix.system\""));
  const std::string module = error_of_opening(fixture("whole_module.pt"));
  EXPECT_TRUE(contains(module, "the Python object \"torch.nn.modules.linear.Linear\""));
  EXPECT_TRUE(contains(module, "torch.save(model.state_dict(), file)"));
}

TEST(PytorchFile, RefusesOtherKindsOfTensorsByName) {
  EXPECT_TRUE(contains(error_of_opening(fixture("complex.pt")), "\"torch.ComplexFloatStorage\""));
  EXPECT_TRUE(contains(error_of_opening(fixture("float8.pt")), "_rebuild_tensor_v3\""));
  EXPECT_TRUE(contains(error_of_opening(fixture("sparse.pt")), "_rebuild_sparse_tensor\""));
  EXPECT_TRUE(contains(error_of_opening(fixture("quantized.pt")), "_rebuild_qtensor\""));
}

TEST(PytorchFile, RefusesOtherFormatsByName) {
  EXPECT_TRUE(contains(error_of_opening(fixture("plain.pickle")), "a plain Python pickle"));
  EXPECT_TRUE(contains(error_of_opening(fixture("torchscript.pt")), "a TorchScript archive"));
  EXPECT_TRUE(contains(error_of_bytes("version https://git-lfs.github.com/spec/v1\noid"),
                       "a Git LFS pointer"));
  EXPECT_TRUE(contains(error_of_bytes("\x89HDF\r\n\x1a\n"), "an HDF5 file"));
}

TEST(PytorchFile, RefusesBigEndianFiles) {
  const std::string bytes = read_bytes(fixture("protocol2.pt"));
  EXPECT_TRUE(
      contains(error_of_bytes(replaced(bytes, "little", "bigger")),
               "written with the byte order \"bigger\"; only little-endian files are read"));
}

TEST(PytorchFile, SurvivesAnyDamage) {
  for (const char* const name : {"protocol2.pt", "protocol4.pt", "layouts.pt", "training.pt"}) {
    expect_damage_is_survived(name);
  }
}

// ---- Files that no PyTorch writes, made with the writers that our own files are made with.

struct HostileTensor {
  std::string name = "a";
  std::string module = "torch";
  std::string type = "FloatStorage";
  std::string key = "0";
  int64_t elements = 6;
  int64_t offset = 0;
  std::vector<int64_t> shape = {2, 3};
  std::vector<int64_t> stride = {3, 1};
};

void write_numbers(PickleWriter& pickle, const std::vector<int64_t>& numbers) {
  pickle.mark();
  for (const int64_t number : numbers) {
    pickle.integer(number);
  }
  pickle.tuple_since_mark();
}

std::string pickle_of(const std::vector<HostileTensor>& tensors) {
  PickleWriter pickle;
  pickle.global("collections", "OrderedDict");
  pickle.empty_tuple();
  pickle.reduce();
  pickle.mark();
  for (const HostileTensor& tensor : tensors) {
    pickle.text(tensor.name);
    pickle.global("torch._utils", "_rebuild_tensor");
    pickle.mark();
    pickle.mark();
    pickle.text("storage");
    pickle.global(tensor.module, tensor.type);
    pickle.text(tensor.key);
    pickle.text("cpu");
    pickle.integer(tensor.elements);
    pickle.tuple_since_mark();
    pickle.persistent_id();
    pickle.integer(tensor.offset);
    write_numbers(pickle, tensor.shape);
    write_numbers(pickle, tensor.stride);
    pickle.tuple_since_mark();
    pickle.reduce();
  }
  pickle.set_items_since_mark();
  return pickle.finish();
}

std::string archive_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "file");
  ZipWriter zip(file);
  for (const auto& [name, bytes] : entries) {
    zip.add(name, std::as_bytes(std::span(bytes)));
  }
  zip.finish();
  file.commit();
  return read_bytes(folder / "file");
}

std::string error_of_tensors(const std::vector<HostileTensor>& tensors) {
  return error_of_bytes(archive_of(
      {{"archive/data.pkl", pickle_of(tensors)}, {"archive/data/0", std::string(24, 'x')}}));
}

TEST(HostilePytorchFile, TheTensorThatTheCasesBelowStartFromIsRead) {
  EXPECT_EQ(error_of_tensors({HostileTensor()}), "");
  EXPECT_EQ(error_of_tensors({}), "");
}

TEST(HostilePytorchFile, TensorsThatReachBeyondTheirStorageAreRefused) {
  constexpr int64_t huge = INT64_MAX;
  const std::vector<HostileTensor> cases = {
      {.offset = 1},
      {.offset = -1},
      {.offset = huge},
      {.shape = {3, 3}},
      {.shape = {7}, .stride = {1}},
      {.shape = {huge}, .stride = {1}},
      {.shape = {huge, huge}, .stride = {huge, huge}},
      {.offset = 5, .shape = {2}, .stride = {huge}},
      {.shape = {2, 3}, .stride = {1}},
      {.shape = {2}, .stride = {3, 1}},
      {.offset = 7, .shape = {0}, .stride = {1}},
  };
  for (const HostileTensor& tensor : cases) {
    const std::string error = error_of_tensors({tensor});
    EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: file: tensor \"a\" of size"));
    EXPECT_TRUE(contains(error, "reaches beyond its storage of 6 elements"));
  }
}

TEST(HostilePytorchFile, NegativeAndEndlessSizesAreRefused) {
  EXPECT_TRUE(
      contains(error_of_tensors({{.shape = {-1, 3}}}), "its size holds something negative"));
  EXPECT_TRUE(
      contains(error_of_tensors({{.stride = {-3, 1}}}), "its stride holds something negative"));
  const std::vector<int64_t> ones(65, 1);
  EXPECT_TRUE(contains(error_of_tensors({{.shape = ones, .stride = ones}}), "at most 64 numbers"));
}

TEST(HostilePytorchFile, ViewsThatRepeatElementsAreRefused) {
  constexpr int64_t million = 1'000'000;
  for (const HostileTensor& tensor :
       std::vector<HostileTensor>{{.shape = {million, million}, .stride = {0, 0}},
                                  {.shape = {INT64_MAX, INT64_MAX, INT64_MAX}, .stride = {0, 0, 0}},
                                  {.shape = {2, 2}, .stride = {1, 1}}}) {
    EXPECT_TRUE(contains(error_of_tensors({tensor}), "repeats elements of its storage"));
  }
}

TEST(HostilePytorchFile, ManyViewsOfALargeStorageTakeNothing) {
  std::vector<HostileTensor> many;
  for (int i = 0; i < 20'000; ++i) {
    many.push_back({.name = std::to_string(i),
                    .elements = 1 << 18,
                    .shape = {1 << 9, 1 << 9},
                    .stride = {1, 1 << 9}});
  }
  const std::string large(size_t{1} << 20, 'x');  // copies of all would be 20 GB
  EXPECT_EQ(error_of_bytes(
                archive_of({{"archive/data.pkl", pickle_of(many)}, {"archive/data/0", large}})),
            "");
}

TEST(HostilePytorchFile, StridesOfSingleElementsDoNotMatter) {
  EXPECT_EQ(error_of_tensors({{.shape = {1, 6}, .stride = {INT64_MAX, 1}}}), "");
  EXPECT_EQ(error_of_tensors({{.shape = {3, 1, 2}, .stride = {1, INT64_MAX, 3}}}), "");
  EXPECT_EQ(error_of_tensors({{.shape = {0, INT64_MAX, INT64_MAX}, .stride = {1, 1, 1}}}), "");
}

TEST(HostilePytorchFile, StoragesThatDoNotFitTheirEntryAreRefused) {
  EXPECT_TRUE(contains(error_of_tensors({{.elements = 7}}),
                       "its storage of 7 elements of float32 is an entry of 24 bytes"));
  EXPECT_TRUE(contains(error_of_tensors({{.elements = 5}}), "is an entry of 24 bytes"));
  EXPECT_TRUE(contains(error_of_tensors({{.elements = INT64_MAX}}), "is an entry of 24 bytes"));
  EXPECT_TRUE(contains(error_of_tensors({{.elements = -1}}), "is an entry of 24 bytes"));
  EXPECT_TRUE(contains(error_of_tensors({{.type = "DoubleStorage"}}), "6 elements of float64"));
  EXPECT_TRUE(contains(error_of_tensors({{.key = "1"}}), "has no entry \"archive/data/1\""));
  EXPECT_TRUE(contains(error_of_tensors({{.key = "../data/0"}}), "has no entry"));
  EXPECT_TRUE(contains(error_of_tensors({{.module = "collections", .type = "OrderedDict"}}),
                       "its storage has no type"));
  EXPECT_TRUE(contains(error_of_tensors({{.module = "torch._utils", .type = "_rebuild_tensor"}}),
                       "its storage has no type"));
}

TEST(HostilePytorchFile, ANameThatAppearsTwiceIsRefused) {
  EXPECT_TRUE(contains(error_of_tensors({HostileTensor(), HostileTensor()}),
                       "the key \"a\" is there twice"));
}

// Opcodes that PickleWriter does not write: values by their number, which takes two bytes.
const std::string put_0 = std::string("q\0", 2);
const std::string put_1 = "q\x01";
const std::string get_0 = std::string("h\0", 2);
const std::string get_1 = "h\x01";

std::string repeated(const std::string& part, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) {
    all += part;
  }
  return all;
}

std::string text_opcodes(const std::string& text) {
  const auto length = static_cast<uint32_t>(text.size());
  return "X" + std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text;
}

std::string tensor_opcodes(const std::string& lengths) {
  return "ctorch._utils\n_rebuild_tensor\n((" + text_opcodes("storage") + "ctorch\nFloatStorage\n" +
         text_opcodes("0") + text_opcodes("cpu") + "K\x01tQ" + std::string("K\0", 2) + lengths +
         lengths + "tR";
}

std::string error_of_pickle(const std::string& opcodes) {
  return error_of_bytes(archive_of(
      {{"archive/data.pkl", "\x80\x02" + opcodes}, {"archive/data/0", std::string(4, 'x')}}));
}

TEST(HostilePytorchFile, AnEarlierKeyIsRefusedBeforeItIsCopied) {
  const std::string name(1'000'000, 'k');
  // As tensors with names of their own, which is checked later, these would take 100 GB.
  const std::string error =
      error_of_pickle("}" + text_opcodes(name) + put_0 + tensor_opcodes("(K\x01t") + put_1 + "s(" +
                      repeated(get_0 + get_1, 100'000) + "u.");
  EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: file: the key \"kkk"));
  EXPECT_TRUE(contains(error, "is there twice"));
}

TEST(HostilePytorchFile, AStateDictThatIsNamedTwiceIsRefusedBeforeItIsSearched) {
  const std::string error =
      error_of_pickle("}" + text_opcodes("model") + put_0 + "}" + put_1 + "(" +
                      repeated("NN", 1000) + "us(" + repeated(get_0 + get_1, 1000) + "u.");
  EXPECT_EQ(error, "ERR_CHECKPOINT_FORMAT: file: the key \"model\" is there twice");
}

TEST(HostilePytorchFile, ASharedTensorIsReadUnderEachOfItsNames) {
  const std::string tensor = tensor_opcodes("(K\x01t") + put_0;
  EXPECT_EQ(error_of_pickle("}(" + text_opcodes("a") + tensor + text_opcodes("b") + get_0 + "u."),
            "");
}

TEST(HostilePytorchFile, ASharedTensorOfManyDimensionsDoesNotMultiplyThem) {
  const std::string tensor = tensor_opcodes("(" + repeated("K\x01", 64) + "t") + put_0;
  std::string opcodes = "}(" + text_opcodes("first") + tensor;
  for (int i = 0; i < 100; ++i) {
    opcodes += text_opcodes(std::to_string(i)) + get_0;
  }
  EXPECT_TRUE(contains(error_of_pickle(opcodes + "u."),
                       "sizes and strides hold more numbers than the pickle has bytes"));
}

TEST(HostilePytorchFile, AStorageWithALongKeyIsNotLookedFor) {
  EXPECT_TRUE(contains(error_of_tensors({{.key = std::string(60'000, '0')}}),
                       "its storage is not named as torch.save does"));
}

TEST(HostilePytorchFile, ArchivesOfOtherProgramsAreRefused) {
  EXPECT_TRUE(contains(error_of_bytes(archive_of({})), "a zip archive without \"data.pkl\""));
  EXPECT_TRUE(contains(error_of_bytes(archive_of({{"arr_0.npy", "x"}})), "without \"data.pkl\""));
  EXPECT_TRUE(contains(error_of_bytes(archive_of({{"a/x", ""}, {"b/data.pkl", "x"}})),
                       "without \"a/data.pkl\""));
  EXPECT_TRUE(contains(error_of_bytes(archive_of({{"data.pkl", ""}})), "the pickle is cut off"));
}

TEST(WritePytorch, WhatIsWrittenReadsBackTheSame) {
  const Checkpoint original = Checkpoint::open(fixture("dtypes.pt"));
  const TemporaryFolder folder;
  write_pytorch(folder / "copy", original.tensors());
  const Checkpoint copy = Checkpoint::open(folder / "copy");
  EXPECT_EQ(names_of(copy), names_of(original));
  for (const Tensor& tensor : original.tensors()) {
    const Tensor& read = tensor_of(copy, tensor.name);
    EXPECT_EQ(read.dtype, tensor.dtype);
    EXPECT_EQ(read.shape, tensor.shape);
    EXPECT_EQ(values_of(read), values_of(tensor));
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"copy"}) << "nothing else is left";
}

TEST(WritePytorch, TheSameTensorsGiveTheSameBytes) {
  const Checkpoint original = Checkpoint::open(fixture("dtypes.pt"));
  const TemporaryFolder folder;
  write_pytorch(folder / "one", original.tensors());
  write_pytorch(folder / "two", original.tensors());
  EXPECT_EQ(read_bytes(folder / "one"), read_bytes(folder / "two"));
}

TEST(WritePytorch, StoragesStartAtMultiplesOf64) {
  const Checkpoint original = Checkpoint::open(fixture("dtypes.pt"));
  const TemporaryFolder folder;
  write_pytorch(folder / "copy", original.tensors());
  const Checkpoint copy = Checkpoint::open(folder / "copy");
  for (const Tensor& tensor : copy.tensors()) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes.data()) % 64, 0U) << tensor.name;
  }
}

TEST(WritePytorch, RefusesANameGivenTwiceAndBytesThatDoNotFit) {
  const TemporaryFolder folder;
  const std::string bytes(8, 'x');
  const Tensor good{"a", DType::float32, {2}, std::as_bytes(std::span(bytes))};
  Tensor bad = good;
  bad.shape = {3};
  const std::vector<Tensor> twice = {good, good};
  EXPECT_TRUE(
      contains(error_of([&] { write_pytorch(folder / "file", twice); }), "ERR_INVALID_ARGUMENT: "));
  EXPECT_TRUE(contains(error_of([&] { write_pytorch(folder / "file", std::span(&bad, 1)); }),
                       "shape [3] has 8 bytes"));
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace bertcnn::checkpoint
