// Atomic files and directories.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <exception>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "checkpoint/atomic_directory.h"
#include "checkpoint/atomic_file.h"
#include "checkpoint/staging.h"
#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

void write_atomically(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

mode_t process_mask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

ino_t inode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_ino;
}

TEST(AtomicFile, AppearsOnCommitOnly) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "file");
    file.write("some ");
    file.write("text");
    EXPECT_EQ(file.size(), 9U);
    EXPECT_FALSE(fs::exists(folder / "file"));
    file.commit();
    EXPECT_EQ(read_bytes(folder / "file"), "some text");
  }
  EXPECT_EQ(folder.names(), Names{"file"});
}

TEST(AtomicFile, WithoutACommitTheOldFileStays) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "old");
  {
    AtomicFile file(folder / "file");
    file.write("new");
  }
  EXPECT_EQ(read_bytes(folder / "file"), "old");
  EXPECT_EQ(folder.names(), Names{"file"});
}

TEST(AtomicFile, WritesMoreThanItsBuffer) {
  const TemporaryFolder folder;
  std::string expected;
  AtomicFile file(folder / "file");
  for (const size_t length : {1, 65535, 65536, 65537, 200'000, 0, 10}) {
    const std::string part(length, static_cast<char>('a' + length % 26));
    file.write(part);
    expected += part;
  }
  file.commit();
  EXPECT_EQ(read_bytes(folder / "file"), expected);
}

TEST(AtomicFile, KeepsThePermissionsOfTheFileThatItReplaces) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "old");
  fs::permissions(folder / "file", fs::perms::owner_read | fs::perms::owner_write);
  write_atomically(folder / "file", "new");
  EXPECT_EQ(mode_of(folder / "file"), 0600U);
  write_atomically(folder / "other", "new");
  EXPECT_EQ(mode_of(folder / "other"), 0666U & ~process_mask());
}

TEST(AtomicFile, ReplacesWhatALinkPointsTo) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  write_bytes(folder / "real/file", "old");
  fs::create_symlink("real/file", folder / "link");
  write_atomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_bytes(folder / "real/file"), "new");

  fs::create_symlink("real/absent", folder / "dangling");
  write_atomically(folder / "dangling", "new");
  EXPECT_EQ(read_bytes(folder / "real/absent"), "new");
}

TEST(AtomicFile, NamesTheFileThatCannotBeWritten) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { AtomicFile file(folder / "absent/file"); }),
            "ERR_IO: cannot write " + (folder / "absent/file") + ": No such file or directory");
  fs::create_directory(folder / "folder");
  EXPECT_EQ(error_of([&] { AtomicFile file(folder / "folder"); }),
            "ERR_IO: cannot write " + (folder / "folder") + ": it is there and not a regular file");
  EXPECT_TRUE(contains(error_of([&] { AtomicFile file("/dev/null"); }), "not a regular file"));
  fs::create_symlink("loop", folder / "loop");
  EXPECT_TRUE(contains(error_of([&] { AtomicFile file(folder / "loop"); }), "ERR_IO: "));
  EXPECT_EQ(folder.names(), (Names{"folder", "loop"}));
}

TEST(AtomicDirectory, ANewDirectoryAppearsOnCommitOnly) {
  const TemporaryFolder folder;
  {
    AtomicDirectory directory(folder / "model");
    directory.write("config.json", "{}");
    write_bytes(directory.path("weights"), "w");
    EXPECT_FALSE(fs::exists(folder / "model"));
    directory.commit();
  }
  EXPECT_EQ(folder.names(), Names{"model"});
  EXPECT_EQ(folder.names("model"), (Names{"config.json", "weights"}));
  EXPECT_EQ(read_bytes(folder / "model/config.json"), "{}");
}

TEST(AtomicDirectory, WithoutACommitNothingIsLeft) {
  const TemporaryFolder folder;
  { AtomicDirectory(folder / "a/b/model").write("config.json", "{}"); }
  EXPECT_TRUE(folder.names().empty()) << "nor parent folders";
  fs::create_directory(folder / "model");
  write_bytes(folder / "model/config.json", "old");
  { AtomicDirectory(folder / "model").write("config.json", "new"); }
  EXPECT_EQ(folder.names(), Names{"model"});
  EXPECT_EQ(read_bytes(folder / "model/config.json"), "old");
}

TEST(AtomicDirectory, MakesMissingParents) {
  const TemporaryFolder folder;
  AtomicDirectory directory(folder / "a/b/model/");
  directory.write("config.json", "{}");
  directory.commit();
  EXPECT_EQ(folder.names("a/b/model"), Names{"config.json"});
}

TEST(AtomicDirectory, ReplacesItsFilesAndKeepsOthers) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "model");
  write_bytes(folder / "model/config.json", "old");
  write_bytes(folder / "model/README.md", "kept");
  fs::create_symlink("README.md", folder / "model/link");
  fs::permissions(folder / "model", fs::perms::owner_all);
  const ino_t kept = inode_of(folder / "model/README.md");
  {
    AtomicDirectory directory(folder / "model");
    directory.write("config.json", "new");
    directory.write("vocab.txt", "v");
    directory.commit();
  }
  EXPECT_EQ(folder.names(), Names{"model"});
  EXPECT_EQ(folder.names("model"), (Names{"README.md", "config.json", "link", "vocab.txt"}));
  EXPECT_EQ(read_bytes(folder / "model/config.json"), "new");
  EXPECT_EQ(read_bytes(folder / "model/link"), "kept");
  EXPECT_TRUE(fs::is_symlink(folder / "model/link"));
  EXPECT_EQ(inode_of(folder / "model/README.md"), kept) << "linked, not copied";
  EXPECT_EQ(mode_of(folder / "model"), 0700U);
}

TEST(AtomicDirectory, ADirectoryThatHoldsFoldersKeepsItsIdentity) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "model/.git");
  write_bytes(folder / "model/.git/HEAD", "kept");
  write_bytes(folder / "model/config.json", "old");
  const ino_t identity = inode_of(folder / "model");
  AtomicDirectory directory(folder / "model");
  directory.write("config.json", "new");
  directory.write("vocab.txt", "v");
  directory.commit();
  EXPECT_EQ(inode_of(folder / "model"), identity);
  EXPECT_EQ(folder.names(), Names{"model"});
  EXPECT_EQ(folder.names("model"), (Names{".git", "config.json", "vocab.txt"}));
  EXPECT_EQ(read_bytes(folder / "model/config.json"), "new");
  EXPECT_EQ(read_bytes(folder / "model/.git/HEAD"), "kept");
}

TEST(AtomicDirectory, TheWorkingDirectoryKeepsItsIdentity) {
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", "old");
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  AtomicDirectory directory(".");
  directory.write("config.json", "new");
  directory.commit();
  EXPECT_EQ(read_bytes("config.json"), "new");
  fs::current_path(before);
  EXPECT_EQ(folder.names(), Names{"config.json"});
}

TEST(AtomicDirectory, AFolderInAFilesPlaceLeavesEverythingAsItWas) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "model/vocab.txt");
  write_bytes(folder / "model/config.json", "old");
  std::string error;
  {
    AtomicDirectory directory(folder / "model");
    directory.write("config.json", "new");
    directory.write("vocab.txt", "v");
    error = error_of([&] { directory.commit(); });
  }
  EXPECT_TRUE(contains(error, "ERR_IO: cannot write "));
  EXPECT_TRUE(contains(error, "/model/vocab.txt: a folder is there"));
  EXPECT_EQ(folder.names(), Names{"model"});
  EXPECT_EQ(read_bytes(folder / "model/config.json"), "old");
}

TEST(AtomicDirectory, FollowsALinkToADirectoryThatIsThereOrNot) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "real/model");
  fs::create_directory_symlink("real/model", folder / "link");
  fs::create_directory_symlink("real/absent", folder / "dangling");
  for (const std::string name : {"link", "dangling"}) {
    AtomicDirectory directory(folder / name);
    directory.write("config.json", name);
    directory.commit();
    EXPECT_TRUE(fs::is_symlink(folder / name));
    EXPECT_EQ(read_bytes(folder / (name + "/config.json")), name);
  }
  EXPECT_EQ(folder.names("real"), (Names{"absent", "model"}));
}

TEST(AtomicDirectory, NamesTheTargetThatCannotBeWritten) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "x");
  EXPECT_EQ(error_of([&] { AtomicDirectory directory(folder / "file"); }),
            "ERR_IO: cannot write the directory " + (folder / "file") +
                ": it is there and not a directory");
  const std::string error = error_of([&] { AtomicDirectory directory(folder / "new/../file/x"); });
  EXPECT_TRUE(contains(error, "ERR_IO: cannot make the folder "));
  EXPECT_TRUE(contains(error, "Not a directory"));
  EXPECT_EQ(folder.names(), Names{"file"}) << "the folder made on the way is gone again";
  EXPECT_TRUE(
      contains(error_of([&] { AtomicDirectory directory("/proc/none/model"); }), "ERR_IO: "));
}

TEST(AtomicDirectory, TakesPlainNamesOnly) {
  const TemporaryFolder folder;
  const AtomicDirectory directory(folder / "model");
  for (const char* const name : {"", ".", "..", "a/b", "/x"}) {
    EXPECT_TRUE(contains(error_of([&] { directory.path(name); }), "ERR_INVALID_ARGUMENT: "));
  }
}

TEST(AtomicDirectory, NobodyElseCanReadItBeforeItIsThere) {
  const TemporaryFolder folder;
  AtomicDirectory directory(folder / "model");
  directory.write("config.json", "{}");
  EXPECT_EQ(mode_of(fs::path(directory.path("config.json")).parent_path()), 0700U);
  directory.commit();
  EXPECT_EQ(mode_of(folder / "model"), 0777U & ~process_mask());
  EXPECT_EQ(mode_of(folder / "model/config.json"), 0666U & ~process_mask());
}

TEST(AtomicDirectory, FilesThatAreReplacedKeepTheirPermissions) {
  const TemporaryFolder folder;
  for (const std::string model : {"model", "model with a folder"}) {
    fs::create_directory(folder / model);
    write_bytes(folder / (model + "/weights"), "old");
    fs::permissions(folder / (model + "/weights"), static_cast<fs::perms>(0600));
  }
  fs::create_directory(folder / "model with a folder/inside");
  for (const std::string model : {"model", "model with a folder"}) {
    AtomicDirectory directory(folder / model);
    directory.write("weights", "new");
    directory.write("config.json", "{}");
    directory.commit();
    EXPECT_EQ(read_bytes(folder / (model + "/weights")), "new");
    EXPECT_EQ(mode_of(folder / (model + "/weights")), 0600U) << model;
    EXPECT_EQ(mode_of(folder / (model + "/config.json")), 0666U & ~process_mask()) << model;
  }
}

TEST(AtomicDirectory, WhatItReplacesKeepsItsOwner) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only the superuser may give files away";
  }
  constexpr uid_t nobody = 65534;
  const TemporaryFolder folder;
  fs::create_directory(folder / "model");
  write_bytes(folder / "model/weights", "old");
  write_bytes(folder / "file", "old");
  for (const char* const name : {"model", "model/weights", "file"}) {
    ASSERT_EQ(::chown((folder / name).c_str(), nobody, nobody), 0);
  }
  AtomicDirectory directory(folder / "model");
  directory.write("weights", "new");
  directory.commit();
  write_atomically(folder / "file", "new");
  for (const char* const name : {"model", "model/weights", "file"}) {
    struct stat status {};
    ASSERT_EQ(::stat((folder / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, nobody) << name;
    EXPECT_EQ(status.st_gid, nobody) << name;
  }
}

/// The exit status of a child process that runs `action` and ends as a killed one does: without
/// destructors. 99 where `action` throws.
int status_of_child(const std::function<int()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      ::_exit(action());
    } catch (const std::exception&) {
      ::_exit(99);
    }
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(AtomicDirectory, TheNextOneRemovesWhatAKilledProcessLeft) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "model");
  EXPECT_EQ(status_of_child([&]() -> int {
              AtomicDirectory beside(folder / "model");
              beside.write("weights", "half");
              const AtomicDirectory inside(folder / "model/absent");
              AtomicFile file(folder / "file");
              file.write("half");
              ::_exit(0);
            }),
            0);
  EXPECT_EQ(folder.names().size(), 3U);
  AtomicDirectory directory(folder / "model");
  directory.write("config.json", "{}");
  directory.commit();
  EXPECT_EQ(folder.names(), Names{"model"});
  EXPECT_EQ(folder.names("model"), Names{"config.json"});
}

TEST(AtomicDirectory, WhatALivingProcessWritesIsLeftAlone) {
  const TemporaryFolder folder;
  AtomicDirectory directory(folder / "model");
  directory.write("config.json", "{}");
  AtomicFile file(folder / "file");
  file.write("text");
  EXPECT_EQ(status_of_child([&] {
              write_atomically(folder / "other file", "text");
              AtomicDirectory other(folder / "other");
              other.commit();
              return 0;
            }),
            0);
  directory.commit();
  file.commit();
  EXPECT_EQ(folder.names(), (Names{"file", "model", "other", "other file"}));
  EXPECT_EQ(folder.names("model"), Names{"config.json"});
}

TEST(AtomicDirectory, SavesThatRaceToMakeADirectoryAllSucceed) {
  const TemporaryFolder folder;
  for (int round = 0; round < 50; ++round) {
    const std::string target = folder / std::to_string(round);
    std::barrier start(2);
    std::array<std::string, 2> errors;
    const auto save = [&](std::string& error) {
      AtomicDirectory directory(target);
      directory.write("config.json", "{}");
      start.arrive_and_wait();
      error = error_of([&] { directory.commit(); });
    };
    std::thread other([&] { save(errors[0]); });
    save(errors[1]);
    other.join();
    ASSERT_EQ(errors, (std::array<std::string, 2>{})) << round;
    ASSERT_EQ(read_bytes(target + "/config.json"), "{}");
  }
  EXPECT_EQ(folder.names().size(), 50U);
}

TEST(AtomicDirectory, AFolderMountedFromElsewhereIsWritten) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  fs::create_directory(folder / "model");
  write_bytes(folder / "real/config.json", "old");
  constexpr int not_allowed = 77;
  const int status = status_of_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount((folder / "real").c_str(), (folder / "model").c_str(), nullptr, MS_BIND, nullptr) !=
            0) {
      return not_allowed;
    }
    AtomicDirectory directory(folder / "model");
    directory.write("config.json", "new");
    directory.write("weights", "w");
    directory.commit();
    return is_mount_point(folder / "model") ? 0 : 1;
  });
  if (status == not_allowed) {
    GTEST_SKIP() << "this process may not mount anything";
  }
  EXPECT_EQ(status, 0);
  EXPECT_EQ(folder.names(), (Names{"model", "real"}));
  EXPECT_EQ(folder.names("real"), (Names{"config.json", "weights"}));
  EXPECT_EQ(read_bytes(folder / "real/config.json"), "new");
}

TEST(AtomicDirectory, KnowsMountPoints) {
  const TemporaryFolder folder;
  EXPECT_TRUE(is_mount_point("/"));
  EXPECT_TRUE(is_mount_point("/proc"));
  EXPECT_FALSE(is_mount_point(folder.path()));
}

/// What `action` gives when it runs as a user who may write only what everybody may. The superuser
/// may write anything, so where that one runs the tests, a child process gives up its rights first.
bool holds_without_rights(const std::function<bool()>& action) {
  if (::geteuid() != 0) {
    return action();
  }
  constexpr uid_t nobody = 65534;
  const pid_t child = ::fork();
  if (child == 0) {
    bool good = false;
    try {
      good = ::setgid(nobody) == 0 && ::setuid(nobody) == 0 && action();
    } catch (const Error&) {
      good = false;
    }
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(AtomicDirectory, ADirectoryWithoutWritePermissionLeavesNothingBehind) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  EXPECT_TRUE(holds_without_rights([&] {
    fs::create_directory(folder / "model");
    write_bytes(folder / "model/config.json", "old");
    fs::permissions(folder / "model", static_cast<fs::perms>(0555));
    AtomicDirectory directory(folder / "model");
    directory.write("config.json", "new");
    directory.commit();
    return true;
  }));
  EXPECT_EQ(folder.names(), Names{"model"});
  EXPECT_EQ(mode_of(folder / "model"), 0555U);
  EXPECT_EQ(read_bytes(folder / "model/config.json"), "new");
  fs::permissions(folder / "model", fs::perms::owner_all);
}

class ReadOnlyFolder : public ::testing::Test {
 protected:
  ReadOnlyFolder() {
    fs::create_directory(folder_ / "open");
    write_bytes(folder_ / "open/config.json", "old");
    fs::permissions(folder_ / "open", fs::perms::all);
    fs::permissions(folder_.path(), static_cast<fs::perms>(0555));
  }
  ~ReadOnlyFolder() override { fs::permissions(folder_.path(), fs::perms::owner_all); }

  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
};

TEST_F(ReadOnlyFolder, ADirectoryInItIsWrittenWithoutAStagingFolderBesideIt) {
  EXPECT_TRUE(holds_without_rights([&] {
    AtomicDirectory directory(folder() / "open");
    directory.write("config.json", "new");
    directory.write("vocab.txt", "v");
    directory.commit();
    return true;
  }));
  EXPECT_EQ(folder().names("open"), (Names{"config.json", "vocab.txt"}));
  EXPECT_EQ(read_bytes(folder() / "open/config.json"), "new");
}

TEST_F(ReadOnlyFolder, ADirectoryOfSomebodyElseKeepsItsIdentity) {
  fs::permissions(folder().path(), fs::perms::all);
  const ino_t identity = inode_of(folder() / "open");
  EXPECT_TRUE(holds_without_rights([&] {
    AtomicDirectory directory(folder() / "open");
    directory.write("config.json", "new");
    directory.commit();
    return true;
  }));
  EXPECT_EQ(read_bytes(folder() / "open/config.json"), "new");
  if (::geteuid() == 0) {
    EXPECT_EQ(inode_of(folder() / "open"), identity);
  }
}

TEST_F(ReadOnlyFolder, NothingNewIsMadeInIt) {
  EXPECT_TRUE(holds_without_rights([&] {
    const std::string directory = error_of([&] { AtomicDirectory failing(folder() / "model"); });
    const std::string file = error_of([&] { AtomicFile failing(folder() / "file"); });
    return directory == "ERR_IO: cannot write the directory " + (folder() / "model") +
                            ": Permission denied" &&
           file == "ERR_IO: cannot write " + (folder() / "file") + ": Permission denied";
  }));
  EXPECT_EQ(folder().names(), Names{"open"});
}

}  // namespace
}  // namespace bertcnn::checkpoint
