#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

/// A safetensors file with any length, header and data.
std::string file_of(uint64_t length, const std::string& header, const std::string& data) {
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + data;
}

std::string file_of(const std::string& header, size_t data_bytes = 0) {
  return file_of(header.size(), header, std::string(data_bytes, 'x'));
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string one_tensor(const std::string& dtype, const std::string& shape,
                       const std::string& offsets, size_t data_bytes) {
  return file_of(R"({"a":)" + entry(dtype, shape, offsets) + "}", data_bytes);
}

TEST(Safetensors, ReadsEveryDtypeWrittenByPython) {
  const Checkpoint checkpoint = Checkpoint::open(fixture("dtypes.safetensors"));
  EXPECT_EQ(checkpoint.tensors().size(), 12U);
  for (const auto& [name, dtype] : every_dtype()) {
    expect_fixture_tensor(checkpoint, name, dtype, {2, 3});
  }
  expect_fixture_tensor(checkpoint, "scalar", DType::float32, {});
  expect_fixture_tensor(checkpoint, "empty", DType::float32, {0, 4});
  EXPECT_EQ(checkpoint.find("absent"), nullptr);
  EXPECT_EQ(checkpoint.find(""), nullptr);
}

TEST(Safetensors, KeepsMetadata) {
  const Checkpoint checkpoint = Checkpoint::open(fixture("dtypes.safetensors"));
  Metadata metadata = checkpoint.metadata();
  std::sort(metadata.begin(), metadata.end());
  EXPECT_EQ(metadata, (Metadata{{"format", "pt"}, {"note", "é"}}));
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  EXPECT_EQ(error_of_bytes(file_of("{}")), "");
  EXPECT_EQ(error_of_bytes(file_of(R"({"__metadata__":{"a":"b"}}   )")), "");
}

TEST(Safetensors, TensorsStayValidWhenTheCheckpointMoves) {
  Checkpoint first = Checkpoint::open(fixture("dtypes.safetensors"));
  const std::byte* const bytes = tensor_of(first, "float32").bytes.data();
  Checkpoint second = std::move(first);
  EXPECT_EQ(tensor_of(second, "float32").bytes.data(), bytes);
  Checkpoint third = Checkpoint::open(fixture("dtypes.safetensors"));
  third = std::move(second);
  expect_fixture_tensor(third, "float32", DType::float32, {2, 3});
}

TEST(Safetensors, RefusesUnknownDtypesByName) {
  EXPECT_TRUE(contains(error_of_opening(fixture("float8.safetensors")),
                       "tensor \"x\" has the dtype \"F8_E4M3\", which is not read"));
  EXPECT_TRUE(contains(error_of_bytes(one_tensor("f32", "[1]", "[0,4]", 4)), "\"f32\""));
}

TEST(Safetensors, RefusesHeadersThatDoNotFitTheFile) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "the file is empty"},
      {"{}", "neither a safetensors file nor one that torch.save wrote"},
      {file_of(3, "{}", ""), "claims 3 bytes, in a file of 10"},
      {file_of(0, "{}", ""), "expected an object"},
      {file_of(1, "{}", ""), "expected a member's name"},
      {file_of(100'000'001, "{}", ""), "claims 100000001 bytes"},
      {file_of(UINT64_MAX, "{}", ""), "claims 18446744073709551615 bytes"},
      {file_of(UINT64_MAX - 7, "{}", ""), "claims 18446744073709551608 bytes"},
      {file_of("{} x"), "expected the end of the text"},
      {file_of("{\"a\":1}"), "expected an object"},
      {file_of("{\"\xFF\":1}"), "not UTF-8"},
      {file_of("{\"a\":" + std::string(1000, '[')), "expected an object"},
  };
  for (const auto& [bytes, reason] : cases) {
    const std::string error = error_of_bytes(bytes);
    EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: "));
    EXPECT_TRUE(contains(error, reason));
  }
}

TEST(Safetensors, RefusesEntriesThatAreNotTensors) {
  const std::string good = entry("F32", "[1]", "[0,4]");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"a":{"dtype":"F32","shape":[1]}})", "lacks one of dtype, shape and data_offsets"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", "lacks one of"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", "lacks one of"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       "\"dtype\" twice"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"extra":0}})", "\"extra\""},
      {R"({"a":{"dtype":5,"shape":[1],"data_offsets":[0,4]}})", "expected a string"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", "expected an array"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", "expected a whole number"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", "expected a whole number"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "[begin, end] is expected"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", "[begin, end] is expected"},
      {R"({"a":)" + good + R"(,"a":)" + good + "}", "starts at byte 0"},
      {R"({"__metadata__":{"a":1}})", "expected a string"},
      {R"({"__metadata__":[]})", "expected an object"},
      {R"({"__metadata__":{},"__metadata__":{}})", "__metadata__ twice"},
  };
  for (const auto& [header, reason] : cases) {
    const std::string error = error_of_bytes(file_of(header, 4));
    EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: "));
    EXPECT_TRUE(contains(error, reason));
  }
}

TEST(Safetensors, RefusesANameThatAppearsTwice) {
  const std::string header = R"({"a":)" + entry("U8", "[1]", "[0,1]") + R"(,"\u0061":)" +
                             entry("U8", "[1]", "[1,2]") + "}";
  EXPECT_TRUE(contains(error_of_bytes(file_of(header, 2)), "the tensor \"a\" is there twice"));
}

TEST(Safetensors, RefusesShapesAndOffsetsThatDoNotFit) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {one_tensor("F32", "[2]", "[0,4]", 4), "has 4 bytes (0 to 4), expected 8"},
      {one_tensor("F32", "[]", "[0,8]", 8), "expected 4"},
      {one_tensor("F32", "[1]", "[4,0]", 4), "[begin, end] is expected"},
      {one_tensor("F32", "[1]", "[-4,0]", 4), "[begin, end] is expected"},
      {one_tensor("F32", "[-1]", "[0,4]", 4), "a shape that is possible"},
      {one_tensor("F32", "[-1,-1]", "[0,4]", 4), "a shape that is possible"},
      {one_tensor("F32", "[4294967296,4294967296]", "[0,0]", 0), "a shape that is possible"},
      {one_tensor("F32", "[9223372036854775807,2]", "[0,4]", 4), "a shape that is possible"},
      {one_tensor("F32", "[4611686018427387905]", "[0,4]", 4), "a shape that is possible"},
      {one_tensor("F32", "[9223372036854775808]", "[0,4]", 4), "expected a whole number"},
      {one_tensor("F32", "[1]", "[0,4]", 3),
       "describes 4 bytes of tensors, but 3 follow it; the "
       "file is cut off"},
      {one_tensor("F32", "[1]", "[0,4]", 5), "describes 4 bytes of tensors, but 5 follow it"},
      {one_tensor("U8", "[9223372036854775807]", "[0,9223372036854775807]", 4), "cut off"},
      {one_tensor("U8", "[1]", "[9223372036854775806,9223372036854775807]", 4), "there is a hole"},
      {one_tensor("F32", "[1]", "[4,8]", 8),
       "starts at byte 4 of the data, but the one before it "
       "ends at 0: there is a hole"},
      {one_tensor("F32", "[0]", "[4,4]", 4), "there is a hole"},
  };
  for (const auto& [bytes, reason] : cases) {
    const std::string error = error_of_bytes(bytes);
    EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: "));
    EXPECT_TRUE(contains(error, reason));
  }
}

TEST(Safetensors, RefusesOverlapsAndHolesBetweenTensors) {
  const auto two = [](const std::string& first, const std::string& second, size_t data_bytes) {
    return file_of(
        R"({"a":)" + entry("U8", "[2]", first) + R"(,"b":)" + entry("U8", "[2]", second) + "}",
        data_bytes);
  };
  EXPECT_EQ(error_of_bytes(two("[0,2]", "[2,4]", 4)), "");
  EXPECT_EQ(error_of_bytes(two("[2,4]", "[0,2]", 4)), "") << "the header's order does not matter";
  EXPECT_TRUE(contains(error_of_bytes(two("[0,2]", "[1,3]", 3)), "they overlap"));
  EXPECT_TRUE(contains(error_of_bytes(two("[0,2]", "[0,2]", 2)), "they overlap"));
  EXPECT_TRUE(contains(error_of_bytes(two("[0,2]", "[3,5]", 5)), "there is a hole"));
}

TEST(Safetensors, RefusesAHeaderThatAsksForManyTimesItsMemory) {
  std::string dimensions = "[1";
  for (int i = 0; i < 200'000; ++i) {
    dimensions += ",1";
  }
  EXPECT_TRUE(contains(error_of_bytes(one_tensor("U8", dimensions + "]", "[0,1]", 1)),
                       "more than 64 dimensions"));
  std::string metadata = R"({"__metadata__":{"":"")";
  for (int i = 0; i < 100'000; ++i) {
    metadata += R"(,"":"")";
  }
  EXPECT_TRUE(contains(error_of_bytes(file_of(metadata + "}}")), "more than 65536 entries"));
}

TEST(Safetensors, SurvivesAnyDamage) {
  expect_damage_is_survived("dtypes.safetensors");
  expect_damage_is_survived("float8.safetensors");
}

TEST(Safetensors, ShowsAHostileNameCutAndWithoutControlCharacters) {
  const std::string header = "{\"" + std::string(100'000, 'n') + "\\u001b\":{}}";
  const std::string error = error_of_bytes(file_of(header));
  EXPECT_TRUE(contains(error, "nnn...\""));
  EXPECT_LT(error.size(), 1000U);
  EXPECT_TRUE(contains(error_of_bytes(file_of("{\"\\u001b[2J\":{}}")), "\"?[2J\""));
}

TEST(WriteSafetensors, WhatIsWrittenReadsBackTheSame) {
  const Checkpoint original = Checkpoint::open(fixture("dtypes.safetensors"));
  const TemporaryFolder folder;
  const Metadata metadata = {{"format", "pt"}, {"é", "\"quoted\""}};
  write_safetensors(folder / "copy", original.tensors(), metadata);

  const Checkpoint copy = Checkpoint::open(folder / "copy");
  EXPECT_EQ(copy.metadata(), metadata);
  EXPECT_EQ(copy.tensors().size(), original.tensors().size());
  for (const Tensor& tensor : original.tensors()) {
    const Tensor& read = tensor_of(copy, tensor.name);
    EXPECT_EQ(read.dtype, tensor.dtype);
    EXPECT_EQ(read.shape, tensor.shape);
    EXPECT_EQ(values_of(read), values_of(tensor));
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"copy"}) << "nothing else is left";
}

TEST(WriteSafetensors, AlignsEveryElement) {
  const std::string bytes(8, 'x');
  const auto data = std::as_bytes(std::span(bytes));
  const std::vector<Tensor> tensors = {{"byte", DType::uint8, {1}, data.first(1)},
                                       {"long", DType::int64, {1}, data},
                                       {"half", DType::float16, {1}, data.first(2)},
                                       {"float", DType::float32, {1}, data.first(4)}};
  const TemporaryFolder folder;
  write_safetensors(folder / "file", tensors, {});
  const Checkpoint checkpoint = Checkpoint::open(folder / "file");
  for (const Tensor& tensor : checkpoint.tensors()) {
    const auto address = reinterpret_cast<uintptr_t>(tensor.bytes.data());
    EXPECT_EQ(address % size_of(tensor.dtype), 0U) << tensor.name;
  }
}

TEST(WriteSafetensors, WritesAFileWithoutTensors) {
  const TemporaryFolder folder;
  write_safetensors(folder / "file", {}, {});
  EXPECT_TRUE(Checkpoint::open(folder / "file").tensors().empty());
}

TEST(WriteSafetensors, RefusesWhatNoReaderWouldTake) {
  const TemporaryFolder folder;
  const std::string bytes(8, 'x');
  const auto data = std::as_bytes(std::span(bytes));
  const Tensor good{"a", DType::float32, {2}, data};
  const auto error = [&](const std::vector<Tensor>& tensors, const Metadata& metadata = {}) {
    return error_of([&] { write_safetensors(folder / "file", tensors, metadata); });
  };
  EXPECT_TRUE(contains(error({good, good}), "ERR_INVALID_ARGUMENT: "));
  EXPECT_TRUE(contains(error({good, good}), "the name \"a\" is given twice"));
  EXPECT_TRUE(contains(error({{"a", DType::float32, {3}, data}}), "shape [3] has 8 bytes"));
  EXPECT_TRUE(contains(error({{"a", DType::float32, {-2}, data}}), "shape [-2] has 8 bytes"));
  EXPECT_TRUE(contains(error({{"\xFF", DType::float32, {2}, data}}), "not UTF-8"));
  EXPECT_TRUE(contains(error({{"__metadata__", DType::float32, {2}, data}}), "reserves the name"));
  EXPECT_TRUE(contains(error({good}, {{"k", "1"}, {"k", "2"}}), "the metadata entry \"k\""));
  EXPECT_TRUE(contains(error({good}, {{"k", "\xFF"}}), "the metadata entry \"k\""));
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace bertcnn::checkpoint
