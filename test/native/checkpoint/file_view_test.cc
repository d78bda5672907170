#include "checkpoint/file_view.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

constexpr size_t kSize = 100'000;  // several pages, the last one not full

std::string numbered() {
  std::string bytes(kSize, '\0');
  for (size_t i = 0; i < kSize; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(FileView, FetchesWhatIsAskedForWhereverItLies) {
  const TemporaryFolder folder;
  const std::string path = folder / "file", bytes = numbered();
  write_bytes(path, bytes);
  const FileView file(path);
  EXPECT_EQ(file.bytes().size(), kSize);
  // The second lies in pages of which some are there, the last ends with the file.
  for (const auto& [offset, size] : {std::pair<size_t, size_t>{50'000, 10},
                                     {40'000, 20'000},
                                     {0, 1},
                                     {4095, 2},
                                     {99'990, 10},
                                     {0, kSize}}) {
    EXPECT_EQ(text_of(file.fetch(offset, size)), bytes.substr(offset, size)) << offset;
  }
  EXPECT_EQ(file.fetch(5, 10).data(), file.bytes().data() + 5);
  EXPECT_TRUE(file.fetch(kSize, 0).empty());
}

TEST(FileView, TellsThatAFileWasCutShort) {
  const TemporaryFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, numbered());
  const FileView file(path);
  file.fetch(0, 10);
  std::filesystem::resize_file(path, 20'000);
  EXPECT_EQ(text_of(file.fetch(0, 10)), numbered().substr(0, 10));
  EXPECT_EQ(text_of(file.fetch(8192, 10)), numbered().substr(8192, 10));
  EXPECT_TRUE(contains(error_of([&] { file.fetch(50'000, 10); }), "ERR_IO: "));
  EXPECT_TRUE(contains(error_of([&] { file.fetch(50'000, 10); }), "cut short"));
}

TEST(FileView, ReadsBytesOnce) {
  const TemporaryFolder folder;
  const std::string path = folder / "file", bytes = numbered();
  write_bytes(path, bytes);
  FileView file(path);
  file.fetch(10, 10);
  write_bytes(path, std::string(kSize, 'x'));
  const FileView moved(std::move(file));
  EXPECT_EQ(text_of(moved.fetch(10, 10)), bytes.substr(10, 10));
  EXPECT_EQ(text_of(moved.fetch(50'000, 10)), std::string(10, 'x'));
  moved.forget();
  EXPECT_EQ(text_of(moved.fetch(10, 10)), std::string(10, 'x'));
}

TEST(FileView, OfNoBytesAndOfBytesInMemory) {
  const TemporaryFolder folder;
  const std::string path = folder / "file", bytes = numbered();
  write_bytes(path, "");
  EXPECT_TRUE(FileView(path).fetch(0, 0).empty());
  const FileView file("name", std::as_bytes(std::span(bytes)));
  EXPECT_EQ(file.path(), "name");
  EXPECT_EQ(file.open_file(), nullptr);
  EXPECT_EQ(file.fetch(3, 4).data(), file.bytes().data() + 3);
  file.forget();
  EXPECT_EQ(text_of(file.fetch(3, 4)), bytes.substr(3, 4));
}

}  // namespace
}  // namespace bertcnn::checkpoint
