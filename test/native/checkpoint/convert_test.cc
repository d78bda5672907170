#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/file_view.h"
#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

template <typename Stored>
std::vector<float> converted(DType dtype, const std::vector<Stored>& stored) {
  const Tensor tensor{
      "x", dtype, {static_cast<int64_t>(stored.size())}, std::as_bytes(std::span(stored))};
  std::vector<float> out(stored.size());
  copy_as_float32(tensor, out.data());
  return out;
}

std::vector<uint16_t> all_16_bit_patterns() {
  std::vector<uint16_t> patterns(65536);
  for (size_t i = 0; i < patterns.size(); ++i) {
    patterns[i] = static_cast<uint16_t>(i);
  }
  return patterns;
}

/// A binary floating-point number by its definition.
double by_definition(uint16_t bits, int mantissa_bits) {
  const int exponent_bits = 15 - mantissa_bits;
  const int largest_exponent = (1 << exponent_bits) - 1;
  const int bias = largest_exponent / 2;
  const int exponent = (bits >> mantissa_bits) & largest_exponent;
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == largest_exponent) {
    return mantissa == 0 ? sign * HUGE_VAL : std::nan("");
  }
  return exponent == 0
             ? sign * std::ldexp(mantissa, 1 - bias - mantissa_bits)
             : sign * std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

void expect_exact(DType dtype, int mantissa_bits) {
  const std::vector<uint16_t> patterns = all_16_bit_patterns();
  const std::vector<float> widened = converted(dtype, patterns);
  for (size_t i = 0; i < patterns.size(); ++i) {
    const double expected = by_definition(patterns[i], mantissa_bits);
    // One alone is not done by an instruction for several.
    const float alone = converted(dtype, std::vector{patterns[i]}).front();
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(widened[i]) && std::isnan(alone)) << i;
    } else {
      EXPECT_EQ(alone, expected) << i;
      EXPECT_EQ(widened[i], expected) << i;
      EXPECT_EQ(std::signbit(widened[i]), std::signbit(expected)) << i;
    }
  }
}

TEST(CopyAsFloat32, WidensEveryFloat16Exactly) {
  expect_exact(DType::float16, 10);
}

TEST(CopyAsFloat32, WidensEveryBfloat16Exactly) {
  expect_exact(DType::bfloat16, 7);
}

TEST(CopyAsFloat32, CopiesFloat32BitForBit) {
  const std::vector<uint32_t> bits = {0, 0x80000000, 1, 0x7F800000, 0x7FA12345, 0x3F800000};
  const std::vector<float> copied = converted(DType::float32, bits);
  EXPECT_EQ(std::memcmp(copied.data(), bits.data(), bits.size() * 4), 0);
}

TEST(CopyAsFloat32, RoundsFloat64ToNearest) {
  const std::vector<double> stored = {0.1, -2.5, 1 + 0x1p-24, 1 + 0x1.8p-24, 1e300, -1e-300};
  const std::vector<float> expected = {0.1F, -2.5F, 1.0F, 1.0F + 0x1p-23F, HUGE_VALF, -0.0F};
  EXPECT_EQ(converted(DType::float64, stored), expected);
}

TEST(CopyAsFloat32, TakesBytesThatAreNotAligned) {
  const std::vector<float> numbers = {1.5F, -2.25F};
  std::vector<std::byte> bytes(1 + sizeof(float) * numbers.size());
  std::memcpy(bytes.data() + 1, numbers.data(), sizeof(float) * numbers.size());
  for (const DType dtype : {DType::float32, DType::float16, DType::float64}) {
    const auto count = static_cast<int64_t>(8 / size_of(dtype));
    const Tensor tensor{"x", dtype, {count}, std::span<const std::byte>(bytes).subspan(1)};
    std::vector<float> out(static_cast<size_t>(count));
    copy_as_float32(tensor, out.data());
    if (dtype == DType::float32) {
      EXPECT_EQ(out, numbers);
    }
  }
}

TEST(CopyAsFloat32, RefusesIntegersByTheTensorsName) {
  const std::vector<int64_t> stored = {1};
  const Tensor tensor{"position_ids", DType::int64, {1}, std::as_bytes(std::span(stored))};
  float out = 0;
  EXPECT_EQ(error_of([&] { copy_as_float32(tensor, &out); }),
            "ERR_CHECKPOINT_MISMATCH: the tensor \"position_ids\" is int64, where a floating-point "
            "type is needed");
}

TEST(WriteCheckpoint, RefusesTensorsThatAreNotContiguous) {
  const std::vector<float> stored(6);
  const std::vector<Tensor> tensors = {
      {"x", DType::float32, {2, 3}, std::as_bytes(std::span(stored)), nullptr, 0, {1, 2}}};
  const TemporaryFolder folder;
  EXPECT_TRUE(contains(error_of([&] { write_safetensors(folder / "file", tensors, {}); }),
                       "ERR_INVALID_ARGUMENT: cannot write"));
  EXPECT_TRUE(contains(error_of([&] { write_pytorch(folder / "file", tensors); }),
                       "has 24 bytes that are not contiguous"));
}

TEST(ByteCount, KnowsWhatAShapeTakesAndNoticesOverflow) {
  const auto count = [](std::vector<int64_t> shape) { return byte_count(DType::float32, shape); };
  EXPECT_EQ(count({}), 4U);
  EXPECT_EQ(count({2, 3}), 24U);
  EXPECT_EQ(count({0, 3}), 0U);
  EXPECT_EQ(count({INT64_MAX, INT64_MAX, 0}), 0U);
  EXPECT_EQ(count({INT64_MAX, 2}), std::nullopt);
  EXPECT_EQ(count({int64_t{1} << 62}), std::nullopt);
  EXPECT_EQ(count({-1}), std::nullopt);
  EXPECT_EQ(count({-1, 0}), std::nullopt);
}

TEST(CopyAsFloat32, ReadsAFileInPiecesAndReportsThatItWasCutShort) {
  const std::vector<uint16_t> patterns(3'000'000, 0x3C00);  // ones, 6 MB
  const std::vector<float> singles(100'000, 1);
  const std::vector<Tensor> written = {
      {"half", DType::float16, {3'000'000}, std::as_bytes(std::span(patterns))},
      {"single", DType::float32, {100'000}, std::as_bytes(std::span(singles))}};
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", written, {});
  write_pytorch(folder / "b.pt", written);
  for (const char* const name : {"a.safetensors", "b.pt"}) {
    const std::string path = folder / name;
    const Checkpoint checkpoint = Checkpoint::open(path);
    for (const Tensor& tensor : written) {
      std::vector<float> out(static_cast<size_t>(tensor.numel()));
      const Tensor& stored = tensor_of(checkpoint, tensor.name);
      copy_as_float32(stored, out.data());
      EXPECT_EQ(out, std::vector<float>(out.size(), 1)) << path << ' ' << tensor.name;
    }
    // As another process may: a look at the map would now end this one.
    std::filesystem::resize_file(path, 100);
    for (const Tensor& tensor : checkpoint.tensors()) {
      std::vector<float> out(static_cast<size_t>(tensor.numel()));
      EXPECT_EQ(error_of([&] { copy_as_float32(tensor, out.data()); }),
                "ERR_IO: cannot read " + path + ": it was cut short meanwhile");
    }
  }
}

/// Element [i, j] of a transposed matrix of 700 rows and 900 columns is i + j / 1024.
template <typename Stored>
void expect_transposed(DType dtype, Stored (*store)(float)) {
  constexpr int64_t rows = 700;
  constexpr int64_t columns = 900;
  std::vector<Stored> stored;
  std::vector<float> expected(rows * columns);
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) {
      const Stored value = store(static_cast<float>(i) + static_cast<float>(j) / 1024);
      stored.push_back(value);
      const Tensor single{"x", dtype, {1}, std::as_bytes(std::span(&value, 1))};
      copy_as_float32(single, &expected[static_cast<size_t>(i * columns + j)]);
    }
  }
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, {reinterpret_cast<const char*>(stored.data()), stored.size() * sizeof(Stored)});
  const FileView file(path);
  file.fetch(0, file.bytes().size());
  for (const auto& open_file : {file.open_file(), std::shared_ptr<const OpenFile>()}) {
    const Tensor tensor{"x", dtype, {rows, columns}, file.bytes(), open_file, 0, {1, rows}};
    std::vector<float> out(expected.size());
    copy_as_float32(tensor, out.data());
    EXPECT_EQ(out, expected) << name_of(dtype) << (open_file == nullptr ? " in memory" : "");
    std::vector<float> again(expected.size());
    const std::vector<Copy> copies = {{&tensor, again.data()}};
    copy_as_float32(copies, 4);
    EXPECT_EQ(again, expected);
  }
}

TEST(CopyAsFloat32, PutsATransposedTensorInRowMajorOrder) {
  expect_transposed<float>(DType::float32, [](float value) { return value; });
  expect_transposed<double>(DType::float64, [](float value) { return double{value}; });
  const auto upper_half = [](float value) {
    return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
  };
  expect_transposed<uint16_t>(DType::bfloat16, upper_half);
  expect_transposed<uint16_t>(DType::float16, upper_half);  // other numbers, but as good
}

TEST(CopyAsFloat32, ReadsElementsThatLieFarApart) {
  constexpr int64_t step = 100'000;  // more than is read at once
  std::vector<float> stored(7 * step + 1);
  std::vector<float> expected;
  for (int64_t i = 0; i <= 7; ++i) {
    stored[static_cast<size_t>(i * step)] = static_cast<float>(i + 1);
    expected.push_back(static_cast<float>(i + 1));
  }
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, {reinterpret_cast<const char*>(stored.data()), stored.size() * sizeof(float)});
  const FileView file(path);
  const Tensor tensor{"x", DType::float32, {8}, file.bytes(), file.open_file(), 0, {step}};
  std::vector<float> out(8);
  copy_as_float32(tensor, out.data());
  EXPECT_EQ(out, expected);
}

/// Large tensors of every floating-point type and many small ones; element i of each is i % 100.
struct ManyTensors {
  ManyTensors() {
    for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16, DType::float64}) {
      add("large " + std::string(name_of(dtype)), dtype, 2'500'000);
    }
    for (int i = 0; i < 50; ++i) {
      add("small " + std::to_string(i), DType::float32, 100 + i);
    }
    add("empty", DType::float32, 0);
  }

  void add(const std::string& name, DType dtype, int64_t count) {
    std::vector<std::byte>& bytes = storage.emplace_back(count * size_of(dtype));
    for (int64_t i = 0; i < count; ++i) {
      const auto number = static_cast<double>(i % 100);
      const auto single = static_cast<float>(number);
      const auto brain = static_cast<uint16_t>(std::bit_cast<uint32_t>(single) >> 16);
      const uint16_t half = half_of(i % 100);
      const void* const from = dtype == DType::float64   ? static_cast<const void*>(&number)
                               : dtype == DType::float32 ? static_cast<const void*>(&single)
                               : dtype == DType::float16 ? static_cast<const void*>(&half)
                                                         : static_cast<const void*>(&brain);
      std::memcpy(bytes.data() + i * size_of(dtype), from, size_of(dtype));
    }
    tensors.push_back({name, dtype, {count}, bytes});
  }

  /// A whole number below 2048 in float16.
  static uint16_t half_of(int64_t number) {
    if (number == 0) return 0;
    const int exponent = std::bit_width(static_cast<uint64_t>(number)) - 1;
    const int64_t mantissa = (number << 10 >> exponent) & 0x3FF;
    return static_cast<uint16_t>(((exponent + 15) << 10) | mantissa);
  }

  std::list<std::vector<std::byte>> storage;
  std::vector<Tensor> tensors;
};

/// Room for the values of each tensor of a checkpoint.
struct Room {
  explicit Room(const Checkpoint& checkpoint) {
    for (const Tensor& tensor : checkpoint.tensors()) {
      values.emplace_back(static_cast<size_t>(tensor.numel()), -1.0F);
      copies.push_back({&tensor, values.back().data()});
    }
  }
  std::list<std::vector<float>> values;
  std::vector<Copy> copies;
};

TEST(CopyAsFloat32, CopiesManyTensorsByAnyNumberOfThreads) {
  const ManyTensors many;
  const TemporaryFolder folder;
  write_safetensors(folder / "file", many.tensors, {});
  const Checkpoint checkpoint = Checkpoint::open(folder / "file");
  for (const size_t threads : {0, 1, 2, 7}) {
    Room room(checkpoint);
    copy_as_float32(room.copies, threads);
    for (const std::vector<float>& values : room.values) {
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], static_cast<float>(i % 100)) << threads << " threads, element " << i;
      }
    }
  }
}

TEST(CopyAsFloat32, ReportsWhatAThreadRanInto) {
  const ManyTensors many;
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  write_safetensors(path, many.tensors, {});
  const Checkpoint checkpoint = Checkpoint::open(path);
  std::filesystem::resize_file(path, 10'000'000);
  Room room(checkpoint);
  EXPECT_EQ(error_of([&] { copy_as_float32(room.copies, 4); }),
            "ERR_IO: cannot read " + path + ": it was cut short meanwhile");
}

TEST(CopyAsFloat32, StopsWhenItIsCancelled) {
  const ManyTensors many;
  const TemporaryFolder folder;
  write_safetensors(folder / "file", many.tensors, {});
  const Checkpoint checkpoint = Checkpoint::open(folder / "file");
  Room room(checkpoint);
  int asked = 0;
  const auto cancelled = [&asked] { return ++asked > 2; };
  EXPECT_EQ(error_of([&] { copy_as_float32(room.copies, 1, cancelled); }),
            "ERR_CANCELLED: Loading was cancelled.");
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(room.values.back().back(), -1.0F) << "the last was not reached";
}

}  // namespace
}  // namespace bertcnn::checkpoint
