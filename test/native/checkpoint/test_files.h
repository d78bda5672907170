// What the tests of checkpoints share: files, and what they should hold.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/strided.h"
#include "error.h"

namespace bertcnn::checkpoint {

inline std::string fixture(const std::string& name) {
  return std::string(BERTCNN_FIXTURES) + "/checkpoint/" + name;
}

/// A folder that is removed with all it holds when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::random_device random;
    do {
      path_ = std::filesystem::temp_directory_path() /
              ("bertcnn-test-" + std::to_string(random()) + std::to_string(random()));
    } while (!std::filesystem::create_directory(path_));
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

  /// The names in the folder, sorted, hidden ones too.
  std::vector<std::string> names(const std::string& inside = "") const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_ / inside)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good()) << path;
}

/// Runs `action` and gives "CODE: message" of the Error that it throws, "" where it throws none.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() + ": " + error.what();
  }
  return "";
}

inline std::string error_of_opening(const std::string& path) {
  return error_of([&] { Checkpoint::open(path); });
}

/// The error of reading a file, called "file", that holds `bytes`.
inline std::string error_of_bytes(std::string_view bytes) {
  return error_of([&] { Checkpoint::read(std::as_bytes(std::span(bytes)), "file"); });
}

inline ::testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "expected \"" << part << "\" in \"" << text << "\"";
}

/// The bytes of a tensor's elements in row-major order.
inline std::vector<std::byte> row_major_bytes(const Tensor& tensor) {
  const TensorBytes stored(tensor);
  if (tensor.stride.empty()) {
    return {stored.get().begin(), stored.get().end()};
  }
  const auto size = static_cast<int64_t>(size_of(tensor.dtype));
  std::vector<std::byte> bytes(static_cast<size_t>(tensor.numel() * size));
  for_each_run(tensor.shape, tensor.stride, 1, 1, [&](const Run& run) {
    pack(stored.get().data() + run.from * size, run.from_step, run.count, static_cast<size_t>(size),
         bytes.data() + run.to * size);
  });
  return bytes;
}

/// The elements of a tensor of any type, as doubles.
inline std::vector<double> values_of(const Tensor& tensor) {
  const auto elements = [&]<typename Element>(Element) {
    const std::vector<std::byte> bytes = row_major_bytes(tensor);
    std::vector<Element> stored(bytes.size() / sizeof(Element));
    if (!stored.empty()) {
      std::memcpy(stored.data(), bytes.data(), bytes.size());
    }
    return std::vector<double>(stored.begin(), stored.end());
  };
  switch (tensor.dtype) {
    case DType::float64:
      return elements(double());
    case DType::int64:
      return elements(int64_t());
    case DType::int32:
      return elements(int32_t());
    case DType::int16:
      return elements(int16_t());
    case DType::int8:
      return elements(int8_t());
    case DType::uint8:
    case DType::boolean:
      return elements(uint8_t());
    default: {
      std::vector<float> widened(static_cast<size_t>(tensor.numel()));
      copy_as_float32(tensor, widened.data());
      return {widened.begin(), widened.end()};
    }
  }
}

/// What scripts/fixtures/checkpoint.py puts into a tensor: element i is i / 4 - 1, or i (modulo 2
/// for booleans) where the type is not a floating-point one.
inline std::vector<double> fixture_values(DType dtype, size_t count) {
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) {
    const auto number = static_cast<double>(i);
    values[i] = is_floating_point(dtype)  ? number / 4 - 1
                : dtype == DType::boolean ? static_cast<double>(i % 2)
                                          : number;
  }
  return values;
}

inline const Tensor& tensor_of(const Checkpoint& checkpoint, const std::string& name) {
  const Tensor* const found = checkpoint.find(name);
  if (found == nullptr) {
    throw std::runtime_error("no tensor " + name);
  }
  return *found;
}

inline std::vector<std::string> names_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const Tensor& tensor : checkpoint.tensors()) {
    names.push_back(tensor.name);
  }
  return names;
}

/// Expects the tensor to have this shape and the values of fixture_values.
inline void expect_fixture_tensor(const Checkpoint& checkpoint, const std::string& name,
                                  DType dtype, const std::vector<int64_t>& shape) {
  const Tensor& tensor = tensor_of(checkpoint, name);
  EXPECT_EQ(tensor.dtype, dtype) << name;
  EXPECT_EQ(tensor.shape, shape) << name;
  EXPECT_EQ(values_of(tensor), fixture_values(dtype, static_cast<size_t>(tensor.numel()))) << name;
}

/// Every name of a DType with the DType.
inline std::vector<std::pair<std::string, DType>> every_dtype() {
  std::vector<std::pair<std::string, DType>> all;
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    all.emplace_back(name_of(static_cast<DType>(i)), static_cast<DType>(i));
  }
  return all;
}

/// Reads a file and touches every byte of every tensor, so that a sanitizer sees a bad one. An
/// Error is as good; anything else fails the test.
inline void expect_reads_or_refuses(std::string_view file) {
  try {
    const Checkpoint checkpoint = Checkpoint::read(std::as_bytes(std::span(file)), "damaged");
    for (const Tensor& tensor : checkpoint.tensors()) {
      EXPECT_EQ(byte_count(tensor.dtype, tensor.shape), row_major_bytes(tensor).size());
      const std::vector<std::byte> touched(tensor.bytes.begin(), tensor.bytes.end());
      EXPECT_EQ(touched.size(), tensor.bytes.size());
    }
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_CHECKPOINT_FORMAT") << error.what();
    EXPECT_TRUE(contains(error.what(), "damaged"));
  }
}

/// Reads the fixture cut off after every number of bytes, and with every byte replaced.
inline void expect_damage_is_survived(const std::string& name) {
  const std::string whole = read_bytes(fixture(name));
  for (size_t length = 0; length < whole.size(); ++length) {
    // A copy of its own size, so that a sanitizer sees any byte that is read behind it.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_NE(error_of_bytes({cut.data(), cut.size()}), "")
        << name << " cut off after " << length << " bytes";
  }
  std::vector<char> damaged(whole.begin(), whole.end());
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char replacement : {'\x00', '\x01', '\x7F', '\xFF'}) {
      damaged[i] = replacement;
      expect_reads_or_refuses({damaged.data(), damaged.size()});
    }
    damaged[i] = whole[i];
  }
}

}  // namespace bertcnn::checkpoint
