#include "checkpoint/zip.h"

#include <algorithm>
#include <numeric>

#include "checkpoint/crc32.h"
#include "checkpoint/describe.h"
#include "checkpoint/little_endian.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

// Signatures and fixed lengths of the records; field offsets below are those of PKWARE's
// APPNOTE 6.3, sections 4.3.7 to 4.3.16.
constexpr uint32_t local_signature = 0x04034B50;
constexpr uint32_t central_signature = 0x02014B50;
constexpr uint32_t end_signature = 0x06054B50;
constexpr uint32_t end64_signature = 0x06064B50;
constexpr uint32_t locator64_signature = 0x07064B50;
constexpr uint64_t local_length = 30;
constexpr uint64_t central_length = 46;
constexpr uint64_t end_length = 22;
constexpr uint64_t end64_length = 56;
constexpr uint64_t locator64_length = 20;
constexpr uint64_t longest_comment = 0xFFFF;
constexpr uint16_t zip64_field = 0x0001;
constexpr uint16_t padding_field = 0x4246;  // "FB", as PyTorch pads
constexpr uint64_t alignment = 64;
constexpr uint16_t needs_zip64 = 45;       // version 4.5
constexpr uint16_t utf8_names = 1U << 11;  // flag
constexpr uint16_t encrypted = 1U << 0;    // flag
constexpr uint16_t dos_date =
    (1U << 5) | 1U;  // 1 January 1980: the same tensors give the same file

/// Size and offset of an entry, taken from its central header or, where that says so, its zip64
/// field.
struct Extent {
  uint64_t size;
  uint64_t compressed_size;
  uint64_t offset;
};

/// Replaces the members that are 0xFFFFFFFF by the numbers of the zip64 field in `extra`, which
/// come in this order. False where one is missing.
bool widen(Extent& extent, std::span<const std::byte> extra) {
  std::vector<uint64_t*> wanted;
  for (uint64_t* const number : {&extent.size, &extent.compressed_size, &extent.offset}) {
    if (*number == 0xFFFFFFFF) {
      wanted.push_back(number);
    }
  }
  while (!wanted.empty() && extra.size() >= 4) {
    const auto kind = read_number<uint16_t>(extra, 0);
    const auto length = read_number<uint16_t>(extra, 2);
    if (!lies_within(4, length, extra.size())) {
      return false;
    }
    if (kind == zip64_field) {
      if (length < wanted.size() * 8) {
        return false;
      }
      for (size_t i = 0; i < wanted.size(); ++i) {
        *wanted[i] = read_number<uint64_t>(extra, 4 + 8 * i);
      }
      return true;
    }
    extra = extra.subspan(4 + size_t{length});
  }
  return wanted.empty();
}

template <typename Number>
void append(std::string& out, uint64_t value) {
  const auto number = static_cast<Number>(value);
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

}  // namespace

struct ZipArchive::Directory {
  uint64_t count;
  uint64_t size;
  uint64_t offset;
};

template <typename... Parts>
void ZipArchive::refuse(const Parts&... parts) const {
  fail("ERR_CHECKPOINT_FORMAT", view_.path(), ": ", parts...);
}

ZipArchive::ZipArchive(const FileView& file) : view_(file), file_(file.bytes()) {
  read_directory(locate_directory());
  sort_by_name();
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](uint32_t i, std::string_view n) { return entries_[i].name < n; });
  return found != by_name_.end() && entries_[*found].name == name ? &entries_[*found] : nullptr;
}

std::span<const std::byte> ZipArchive::stored_bytes(const ZipEntry& entry) const {
  if (!entry.stored) {
    refuse("the zip entry ", quoted(entry.name),
           " is compressed or encrypted; torch.save stores entries as they are, and only those are "
           "read");
  }
  return entry.bytes;
}

std::span<const std::byte> ZipArchive::fetch(const ZipEntry& entry) const {
  const std::span<const std::byte> bytes = stored_bytes(entry);
  return view_.fetch(static_cast<uint64_t>(bytes.data() - file_.data()), bytes.size());
}

/// The end record is the last thing in the file, save for a comment whose length it gives.
ZipArchive::Directory ZipArchive::locate_directory() const {
  if (file_.size() < end_length) {
    refuse(file_.size(), " bytes, too short for a zip archive; is the file cut off?");
  }
  uint64_t end = file_.size() - end_length;
  const uint64_t earliest = end - std::min(end, longest_comment);
  const uint64_t locator = earliest - std::min(earliest, locator64_length);
  view_.fetch(locator, file_.size() - locator);
  while (read_number<uint32_t>(file_, end) != end_signature ||
         read_number<uint16_t>(file_, end + 20) != file_.size() - end - end_length) {
    if (end == earliest) {
      refuse("no end record of a zip archive; is the file cut off?");
    }
    --end;
  }
  Directory directory{read_number<uint16_t>(file_, end + 10),
                      read_number<uint32_t>(file_, end + 12),
                      read_number<uint32_t>(file_, end + 16)};
  uint64_t limit = end;
  if (end >= locator64_length &&
      read_number<uint32_t>(file_, end - locator64_length) == locator64_signature) {
    const auto end64 = read_number<uint64_t>(file_, end - locator64_length + 8);
    const bool is_there = lies_within(end64, end64_length, end - locator64_length);
    if (is_there) {
      view_.fetch(end64, end64_length);
    }
    if (!is_there || read_number<uint32_t>(file_, end64) != end64_signature) {
      refuse("the zip64 end record is not at byte ", end64, ", where it should be");
    }
    directory = {read_number<uint64_t>(file_, end64 + 32), read_number<uint64_t>(file_, end64 + 40),
                 read_number<uint64_t>(file_, end64 + 48)};
    limit = end64;
  }
  if (!lies_within(directory.offset, directory.size, limit) ||
      directory.count > directory.size / central_length) {
    refuse("the zip directory claims ", directory.count, " entries in ", directory.size,
           " bytes at byte ", directory.offset, ", in a file of ", file_.size());
  }
  return directory;
}

void ZipArchive::read_directory(const Directory& directory) {
  std::vector<uint64_t> starts;
  starts.reserve(directory.count);
  entries_.reserve(directory.count);
  uint64_t at = directory.offset;
  const uint64_t end = directory.offset + directory.size;
  for (uint64_t i = 0; i < directory.count; ++i) {
    // Record by record: a directory that is none must not have all that it claims read.
    const bool is_there = lies_within(at, central_length, end);
    if (is_there) {
      view_.fetch(at, central_length);
    }
    if (!is_there || read_number<uint32_t>(file_, at) != central_signature) {
      refuse("no zip directory record at byte ", at);
    }
    const auto name_length = read_number<uint16_t>(file_, at + 28);
    const auto extra_length = read_number<uint16_t>(file_, at + 30);
    const auto comment_length = read_number<uint16_t>(file_, at + 32);
    const uint64_t length = central_length + uint64_t{name_length} + extra_length + comment_length;
    if (!lies_within(at, length, end)) {
      refuse("the zip directory record at byte ", at, " is cut off");
    }
    view_.fetch(at, length);
    const std::string_view name = text_at(at + central_length, name_length);
    const auto extra = file_.subspan(at + central_length + name_length, extra_length);
    Extent extent{read_number<uint32_t>(file_, at + 24), read_number<uint32_t>(file_, at + 20),
                  read_number<uint32_t>(file_, at + 42)};
    const bool stored = read_number<uint16_t>(file_, at + 10) == 0 &&
                        (read_number<uint16_t>(file_, at + 8) & encrypted) == 0;
    if (!widen(extent, extra) || (stored && extent.size != extent.compressed_size)) {
      refuse("the zip entry ", quoted(name), " gives no size, or two of them");
    }
    const auto bytes = locate_bytes(name, extent.offset, extent.compressed_size, directory.offset);
    entries_.push_back({name, bytes, stored});
    starts.push_back(extent.offset);
    at += length;
  }
  refuse_overlaps(starts);
}

/// Where the bytes start is said by the lengths in the entry's own header, which repeats the name.
std::span<const std::byte> ZipArchive::locate_bytes(std::string_view name, uint64_t header,
                                                    uint64_t size, uint64_t limit) const {
  const bool is_there = lies_within(header, local_length, limit);
  if (is_there) {
    view_.fetch(header, local_length);
  }
  if (!is_there || read_number<uint32_t>(file_, header) != local_signature) {
    refuse("the zip entry ", quoted(name), " has no header at byte ", header);
  }
  const auto name_length = read_number<uint16_t>(file_, header + 26);
  const auto extra_length = read_number<uint16_t>(file_, header + 28);
  const uint64_t start = header + local_length + name_length + extra_length;
  if (!lies_within(start, size, limit)) {
    refuse("the zip entry ", quoted(name), " claims ", size, " bytes from byte ", start,
           " on, but the zip directory starts at byte ", limit);
  }
  view_.fetch(header + local_length, name_length);
  if (text_at(header + local_length, name_length) != name) {
    refuse("the zip entry ", quoted(name), " has another name in its own header");
  }
  return file_.subspan(start, size);
}

std::string_view ZipArchive::text_at(uint64_t offset, uint64_t length) const {
  return {reinterpret_cast<const char*>(file_.data() + offset), static_cast<size_t>(length)};
}

void ZipArchive::refuse_overlaps(const std::vector<uint64_t>& starts) const {
  std::vector<uint32_t> order(starts.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return starts[a] < starts[b]; });
  for (size_t i = 1; i < order.size(); ++i) {
    const std::span<const std::byte> bytes = entries_[order[i - 1]].bytes;
    const auto end = static_cast<uint64_t>(bytes.data() + bytes.size() - file_.data());
    if (starts[order[i]] < end) {
      refuse("the zip entries ", quoted(entries_[order[i - 1]].name), " and ",
             quoted(entries_[order[i]].name), " overlap");
    }
  }
}

void ZipArchive::sort_by_name() {
  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0U);
  std::sort(by_name_.begin(), by_name_.end(),
            [&](uint32_t a, uint32_t b) { return entries_[a].name < entries_[b].name; });
  const auto twice = std::adjacent_find(
      by_name_.begin(), by_name_.end(),
      [&](uint32_t a, uint32_t b) { return entries_[a].name == entries_[b].name; });
  if (twice != by_name_.end()) {
    refuse("the zip entry ", quoted(entries_[*twice].name), " is there twice");
  }
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> bytes) {
  const Written entry{name, bytes.size(), file_.size(), crc32(bytes)};
  const bool large = entry.size >= largest_;
  const uint64_t zip64_length = large ? 20 : 0;
  const uint64_t unpadded = entry.offset + local_length + name.size() + zip64_length + 4;
  const uint64_t padding = (alignment - unpadded % alignment) % alignment;

  std::string header;
  append<uint32_t>(header, local_signature);
  append<uint16_t>(header, large ? needs_zip64 : 20);
  append<uint16_t>(header, utf8_names);
  append<uint16_t>(header, 0);  // stored
  append<uint16_t>(header, 0);  // midnight
  append<uint16_t>(header, dos_date);
  append<uint32_t>(header, entry.checksum);
  append<uint32_t>(header, large ? 0xFFFFFFFF : entry.size);
  append<uint32_t>(header, large ? 0xFFFFFFFF : entry.size);
  append<uint16_t>(header, name.size());
  append<uint16_t>(header, zip64_length + 4 + padding);
  header += name;
  if (large) {
    append<uint16_t>(header, zip64_field);
    append<uint16_t>(header, 16);
    append<uint64_t>(header, entry.size);
    append<uint64_t>(header, entry.size);
  }
  append<uint16_t>(header, padding_field);
  append<uint16_t>(header, padding);
  header.append(padding, '\0');

  file_.write(header);
  file_.write(bytes);
  written_.push_back(entry);
}

std::string ZipWriter::directory_entry(const Written& entry) const {
  const bool large = entry.size >= largest_;
  const bool far = entry.offset >= largest_;
  std::string extra;
  if (large || far) {
    append<uint16_t>(extra, zip64_field);
    append<uint16_t>(extra, (large ? 16 : 0) + (far ? 8 : 0));
    if (large) {
      append<uint64_t>(extra, entry.size);
      append<uint64_t>(extra, entry.size);
    }
    if (far) {
      append<uint64_t>(extra, entry.offset);
    }
  }
  const uint16_t version = large || far ? needs_zip64 : 20;
  std::string record;
  append<uint32_t>(record, central_signature);
  append<uint16_t>(record, version);
  append<uint16_t>(record, version);
  append<uint16_t>(record, utf8_names);
  append<uint16_t>(record, 0);  // stored
  append<uint16_t>(record, 0);  // midnight
  append<uint16_t>(record, dos_date);
  append<uint32_t>(record, entry.checksum);
  append<uint32_t>(record, large ? 0xFFFFFFFF : entry.size);
  append<uint32_t>(record, large ? 0xFFFFFFFF : entry.size);
  append<uint16_t>(record, entry.name.size());
  append<uint16_t>(record, extra.size());
  append<uint16_t>(record, 0);  // no comment
  append<uint16_t>(record, 0);  // first disk
  append<uint16_t>(record, 0);  // internal attributes
  append<uint32_t>(record, 0);  // external attributes
  append<uint32_t>(record, far ? 0xFFFFFFFF : entry.offset);
  return record + entry.name + extra;
}

void ZipWriter::finish() {
  const uint64_t offset = file_.size();
  for (const Written& entry : written_) {
    file_.write(directory_entry(entry));
  }
  const uint64_t end64 = file_.size();
  const uint64_t size = end64 - offset;
  const uint64_t count = written_.size();

  std::string end;
  if (count >= 0xFFFF || size >= largest_ || offset >= largest_) {
    append<uint32_t>(end, end64_signature);
    append<uint64_t>(end, end64_length - 12);  // of what follows this number
    append<uint16_t>(end, needs_zip64);
    append<uint16_t>(end, needs_zip64);
    append<uint32_t>(end, 0);  // this disk
    append<uint32_t>(end, 0);  // the directory's disk
    append<uint64_t>(end, count);
    append<uint64_t>(end, count);
    append<uint64_t>(end, size);
    append<uint64_t>(end, offset);
    append<uint32_t>(end, locator64_signature);
    append<uint32_t>(end, 0);  // the record's disk
    append<uint64_t>(end, end64);
    append<uint32_t>(end, 1);  // disks
  }
  append<uint32_t>(end, end_signature);
  append<uint16_t>(end, 0);  // this disk
  append<uint16_t>(end, 0);  // the directory's disk
  append<uint16_t>(end, std::min<uint64_t>(count, 0xFFFF));
  append<uint16_t>(end, std::min<uint64_t>(count, 0xFFFF));
  append<uint32_t>(end, size >= largest_ ? 0xFFFFFFFF : size);
  append<uint32_t>(end, offset >= largest_ ? 0xFFFFFFFF : offset);
  append<uint16_t>(end, 0);  // no comment
  file_.write(end);
}

}  // namespace bertcnn::checkpoint
