#include "checkpoint/zip.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/atomic_file.h"
#include "checkpoint/crc32.h"
#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

// Signatures of the records, and where fields lie behind them.
const std::string local_record = "PK\x03\x04";
const std::string central_record = "PK\x01\x02";
const std::string end_record = "PK\x05\x06";
const std::string end64_record = "PK\x06\x06";
const std::string locator64_record = "PK\x06\x07";

constexpr uint64_t never_zip64 = UINT64_MAX;

std::string written(const std::vector<std::pair<std::string, std::string>>& entries,
                    uint64_t largest) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "file");
  ZipWriter zip(file, largest);
  for (const auto& [name, bytes] : entries) {
    zip.add(name, std::as_bytes(std::span(bytes)));
  }
  zip.finish();
  file.commit();
  return read_bytes(folder / "file");
}

/// Two entries, "one" and "two", of 5 and 6 bytes.
std::string archive(uint64_t largest = never_zip64) {
  return written({{"one", "first"}, {"two", "second"}}, largest);
}

std::vector<std::string> entries_of(const std::string& bytes) {
  const std::string path = "file";
  const FileView file(path, std::as_bytes(std::span(bytes)));
  const ZipArchive zip(file);
  std::vector<std::string> entries;
  for (const ZipEntry& entry : zip.entries()) {
    const std::span<const std::byte> stored = zip.stored_bytes(*zip.find(entry.name));
    entries.push_back(std::string(entry.name) + "=" +
                      std::string(reinterpret_cast<const char*>(stored.data()), stored.size()));
  }
  return entries;
}

std::string refusal(const std::string& bytes) {
  const std::string error = error_of([&] { entries_of(bytes); });
  EXPECT_TRUE(contains(error, "ERR_CHECKPOINT_FORMAT: file: "));
  return error;
}

/// The archive with a number written at `offset` behind the n-th record of a kind (from 0 on).
template <typename Number>
std::string with(std::string bytes, const std::string& record, int n, size_t offset,
                 Number number) {
  size_t at = bytes.find(record);
  for (int i = 0; i < n; ++i) {
    at = bytes.find(record, at + 1);
  }
  if (at == std::string::npos) {
    throw std::runtime_error("no such record");
  }
  return bytes.replace(at + offset, sizeof(number), reinterpret_cast<const char*>(&number),
                       sizeof(number));
}

TEST(Crc32, IsTheStandardOne) {
  const auto checksum = [](std::string_view text) { return crc32(std::as_bytes(std::span(text))); };
  EXPECT_EQ(checksum(""), 0U);
  EXPECT_EQ(checksum("123456789"), 0xCBF43926U) << "the check value of CRC-32/ISO-HDLC";
  EXPECT_EQ(checksum("The quick brown fox jumps over the lazy dog"), 0x414FA339U);
}

TEST(Zip, ReadsWhatItWrites) {
  const std::vector<std::string> expected = {"one=first", "two=second"};
  EXPECT_EQ(entries_of(archive()), expected);
  EXPECT_EQ(entries_of(written({}, never_zip64)), std::vector<std::string>{});
  EXPECT_EQ(entries_of(archive().replace(archive().size() - 2, 2, std::string("\x03\0abc", 5))),
            expected)
      << "a comment at the end";
}

TEST(Zip, ReadsZip64Records) {
  const std::vector<std::string> expected = {"one=first", "two=second"};
  EXPECT_EQ(entries_of(archive(0)), expected) << "every number in zip64 fields";
  EXPECT_EQ(entries_of(archive(6)), expected) << "a size and an offset";
  EXPECT_EQ(entries_of(archive(64)), expected) << "an offset";
}

TEST(Zip, FindsEntriesByName) {
  const std::string bytes = archive();
  const std::string path = "file";
  const FileView file(path, std::as_bytes(std::span(bytes)));
  const ZipArchive zip(file);
  ASSERT_NE(zip.find("two"), nullptr);
  EXPECT_EQ(zip.find("two")->bytes.size(), 6U);
  EXPECT_EQ(zip.find("tw"), nullptr);
  EXPECT_EQ(zip.find("zzz"), nullptr);
}

TEST(Zip, RefusesArchivesThatAreCutOff) {
  const std::string whole = archive();
  EXPECT_TRUE(contains(refusal(whole.substr(0, whole.size() - 1)), "is the file cut off?"));
  EXPECT_TRUE(contains(refusal("PK\x03\x04"), "too short for a zip archive"));
  EXPECT_TRUE(contains(refusal(std::string(200'000, 'x')), "no end record"));
  EXPECT_TRUE(contains(refusal(whole + "x"), "no end record"));
}

TEST(Zip, RefusesDirectoriesThatDoNotFit) {
  const std::string whole = archive();
  const auto end = [&](size_t offset, auto number) {
    return refusal(with(whole, end_record, 0, offset, number));
  };
  EXPECT_TRUE(contains(end(10, uint16_t{3}), "claims 3 entries in 98 bytes"));
  EXPECT_TRUE(contains(end(10, uint16_t{0xFFFF}), "claims 65535 entries"));
  EXPECT_TRUE(contains(end(12, uint32_t{99}), "in 99 bytes"));
  EXPECT_TRUE(contains(end(12, uint32_t{0xFFFFFFFF}), "in 4294967295 bytes"));
  EXPECT_TRUE(contains(end(16, uint32_t{0xFFFFFFFF}), "at byte 4294967295"));
  EXPECT_TRUE(contains(end(16, uint32_t{0}), "no zip directory record at byte 0"));
  EXPECT_TRUE(contains(end(12, uint32_t{97}), "is cut off"));
  EXPECT_TRUE(
      contains(refusal(with(whole, central_record, 0, 0, uint32_t{0})), "no zip directory"));
  EXPECT_TRUE(
      contains(refusal(with(whole, central_record, 0, 28, uint16_t{0xFFFF})), "is cut off"));
}

TEST(Zip, RefusesZip64RecordsThatDoNotFit) {
  const std::string whole = archive(0);
  const auto locator = [&](uint64_t number) {
    return refusal(with(whole, locator64_record, 0, 8, number));
  };
  EXPECT_TRUE(contains(locator(0), "the zip64 end record is not at byte 0"));
  EXPECT_TRUE(contains(locator(whole.size()), "the zip64 end record is not at"));
  EXPECT_TRUE(contains(locator(UINT64_MAX), "not at byte 18446744073709551615"));
  const auto end = [&](size_t offset, uint64_t number) {
    return refusal(with(whole, end64_record, 0, offset, number));
  };
  EXPECT_TRUE(contains(end(32, UINT64_MAX), "claims 18446744073709551615 entries"));
  EXPECT_TRUE(contains(end(40, UINT64_MAX), "in 18446744073709551615 bytes"));
  EXPECT_TRUE(contains(end(48, UINT64_MAX), "at byte 18446744073709551615"));
  // The directory's own zip64 field: its kind, its length, the size, the packed size, the offset.
  const size_t field = 46 + 3;
  const auto entry = [&](size_t offset, auto number) {
    return refusal(with(whole, central_record, 0, field + offset, number));
  };
  EXPECT_TRUE(contains(entry(0, uint16_t{7}), "gives no size"));
  EXPECT_TRUE(contains(entry(2, uint16_t{8}), "gives no size"));
  EXPECT_TRUE(contains(entry(2, uint16_t{0xFFFF}), "gives no size"));
  EXPECT_TRUE(contains(entry(4, UINT64_MAX), "gives no size, or two"));
  EXPECT_TRUE(contains(entry(20, UINT64_MAX), "has no header at byte 18446744073709551615"));
  const std::string both = with(with(whole, central_record, 0, field + 4, UINT64_MAX),
                                central_record, 0, field + 12, UINT64_MAX);
  EXPECT_TRUE(contains(refusal(both), "claims 18446744073709551615 bytes"));
}

TEST(Zip, RefusesEntriesThatDoNotFit) {
  const std::string whole = archive();
  const auto central = [&](size_t offset, auto number) {
    return refusal(with(whole, central_record, 1, offset, number));
  };
  EXPECT_TRUE(contains(central(42, uint32_t{1}), "\"two\" has no header at byte 1"));
  EXPECT_TRUE(contains(central(42, uint32_t{0xFFFFFFFF}), "\"two\" gives no size"));
  EXPECT_TRUE(contains(central(42, uint32_t{0x7FFFFFFF}), "\"two\" has no header at"));
  EXPECT_TRUE(contains(central(42, uint32_t{0}), "\"two\" has another name in its own header"));
  EXPECT_TRUE(contains(central(24, uint32_t{7}), "gives no size, or two of them"));
  EXPECT_TRUE(contains(central(46, uint8_t{'x'}), "\"xwo\" has another name"));
  const std::string longer =
      with(with(whole, central_record, 1, 20, uint32_t{7}), central_record, 1, 24, uint32_t{7});
  EXPECT_TRUE(contains(refusal(longer), "\"two\" claims 7 bytes from byte 128 on"));
  const auto local = [&](size_t offset, auto number) {
    return refusal(with(whole, local_record, 0, offset, number));
  };
  EXPECT_TRUE(contains(local(28, uint16_t{0xFFFF}), "\"one\" claims 5 bytes from byte"));
  EXPECT_TRUE(contains(local(26, uint16_t{0xFFFF}), "\"one\" claims 5 bytes from byte"));
  EXPECT_TRUE(contains(local(26, uint16_t{2}), "\"one\" has another name"));
}

TEST(Zip, RefusesOverlapsAndEqualNames) {
  const std::string whole = archive();
  const std::string overlapping =
      with(with(whole, central_record, 0, 20, uint32_t{60}), central_record, 0, 24, uint32_t{60});
  EXPECT_TRUE(contains(refusal(overlapping), "the zip entries \"one\" and \"two\" overlap"));
  EXPECT_TRUE(contains(refusal(written({{"same", "x"}, {"same", "y"}}, never_zip64)),
                       "the zip entry \"same\" is there twice"));
}

TEST(Zip, RefusesCompressedAndEncryptedEntriesWhenTheyAreRead) {
  EXPECT_TRUE(contains(refusal(with(archive(), central_record, 1, 10, uint16_t{8})),
                       "the zip entry \"two\" is compressed or encrypted"));
  EXPECT_TRUE(contains(refusal(with(archive(), central_record, 0, 8, uint16_t{1})),
                       "the zip entry \"one\" is compressed or encrypted"));
}

}  // namespace
}  // namespace bertcnn::checkpoint
