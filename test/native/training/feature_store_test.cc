#include "training/feature_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>

namespace bertcnn::training {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// What the store has for the key, of `size` bytes; empty: nothing.
std::string kept(FeatureStore& store, const RowKey& key, size_t size) {
  std::string text(size, '?');
  return store.read(key, std::as_writable_bytes(std::span(text))) ? text : "";
}

class FeatureStoreTest : public ::testing::Test {
 protected:
  FeatureStoreTest()
      : folder_(fs::path(::testing::TempDir()) / ("bertcnn-store-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~FeatureStoreTest() override { fs::remove_all(folder_); }

  fs::path folder_;
};

/// Open files of this process without a name, in `folder`.
int nameless_files(const fs::path& folder) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = fs::read_symlink(entry.path(), gone).string();
    count += target.starts_with(folder.string()) && target.ends_with("(deleted)") ? 1 : 0;
  }
  return count;
}

TEST_F(FeatureStoreTest, GivesBackWhatWasWritten) {
  FeatureStore store(1000, folder_);
  EXPECT_EQ(kept(store, {1, 2}, 3), "");
  store.write({1, 2}, bytes("abc"));
  store.write({1, 2, 3}, bytes("defg"));
  EXPECT_EQ(kept(store, {1, 2}, 3), "abc");
  EXPECT_EQ(kept(store, {1, 2, 3}, 4), "defg");
  EXPECT_EQ(kept(store, {2, 1}, 3), "");
  EXPECT_EQ(store.rows(), 2);
  EXPECT_EQ(store.memory_bytes(), 5 * sizeof(int32_t) + 7);
  EXPECT_EQ(store.file_bytes(), 0U);
  EXPECT_EQ(nameless_files(folder_), 0);
}

TEST_F(FeatureStoreTest, KeepsTheFirstOfTwo) {
  FeatureStore store(1000, folder_);
  store.write({1}, bytes("abc"));
  store.write({1}, bytes("xyz"));
  EXPECT_EQ(kept(store, {1}, 3), "abc");
  EXPECT_EQ(store.rows(), 1);
}

TEST_F(FeatureStoreTest, WritesWhatGoesBeyondItsMemoryToAFileWithoutAName) {
  FeatureStore store(4 + 3, folder_);
  store.write({1}, bytes("abc"));
  store.write({2}, bytes("def"));
  store.write({3}, bytes("ghi"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(kept(store, {1}, 3) + kept(store, {2}, 3) + kept(store, {3}, 3), "abcdefghi");
  }
  EXPECT_EQ(store.memory_bytes(), 3U * 4 + 3);
  EXPECT_EQ(store.file_bytes(), 6U);
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(nameless_files(folder_), 1);
}

TEST_F(FeatureStoreTest, WritesEverythingToTheFileWithoutMemory) {
  FeatureStore store(0, "");  // the system's folder
  store.write({1}, bytes("abc"));
  EXPECT_EQ(kept(store, {1}, 3), "abc");
  EXPECT_EQ(store.file_bytes(), 3U);
}

TEST_F(FeatureStoreTest, ForgetsAndFreesEverything) {
  FeatureStore store(4 + 3, folder_);
  store.write({1}, bytes("abc"));
  store.write({2}, bytes("def"));
  store.clear();
  EXPECT_EQ(kept(store, {1}, 3) + kept(store, {2}, 3), "");
  EXPECT_EQ(store.rows(), 0);
  EXPECT_EQ(store.memory_bytes() + store.file_bytes(), 0U);
  EXPECT_EQ(nameless_files(folder_), 0);
  store.write({2}, bytes("ghi"));
  EXPECT_EQ(kept(store, {2}, 3), "ghi");
}

TEST_F(FeatureStoreTest, KeepsNothingMoreOnceTheDiskIsFull) {
  FeatureStore store(0, folder_);
  // A limit to files' sizes stands for the disk's end; its signal would end the process.
  struct rlimit former {};
  getrlimit(RLIMIT_FSIZE, &former);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {8, former.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  store.write({1}, bytes("abcdef"));
  store.write({2}, bytes("ghijkl"));
  store.write({3}, bytes("m"));  // no further attempt, though it would fit
  setrlimit(RLIMIT_FSIZE, &former);
  std::signal(SIGXFSZ, handler);
  store.write({4}, bytes("n"));
  EXPECT_EQ(kept(store, {1}, 6), "abcdef");
  EXPECT_EQ(kept(store, {2}, 6) + kept(store, {3}, 1) + kept(store, {4}, 1), "");
  EXPECT_EQ(store.rows(), 1);
  EXPECT_EQ(store.file_bytes(), 6U);
}

TEST_F(FeatureStoreTest, KeepsNothingBeyondItsMemoryWhereThereIsNoFolder) {
  FeatureStore store(4 + 3, folder_ / "missing");
  store.write({1}, bytes("abc"));
  store.write({2}, bytes("def"));
  EXPECT_EQ(kept(store, {1}, 3), "abc");
  EXPECT_EQ(kept(store, {2}, 3), "");
  EXPECT_EQ(store.rows(), 1);
}

}  // namespace
}  // namespace bertcnn::training
