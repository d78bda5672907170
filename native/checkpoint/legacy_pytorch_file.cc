#include "checkpoint/legacy_pytorch_file.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "checkpoint/describe.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/little_endian.h"
#include "checkpoint/pickle.h"
#include "checkpoint/state_dict.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

constexpr int64_t known_version = 1001;

struct Storage {
  StorageId id;
  std::optional<std::span<const std::byte>> bytes;  // once they are found
};

class LegacyReader {
 public:
  explicit LegacyReader(const FileView& file)
      : view_(file), path_(file.path()), file_(file.bytes()) {}

  void read(Contents& contents) {
    next_pickle();  // the magic number
    const Pickle version = next_pickle();
    if (version[version.root].kind != PickleKind::integer ||
        version[version.root].integer != known_version) {
      refuse("it does not have the version ", known_version, " of the old format of torch.save");
    }
    refuse_big_endian(next_pickle());
    const Pickle object = next_pickle();
    find_ids(object);
    locate(next_pickle());
    const auto find_storage = [this](const StorageId& id, const std::string& owner) {
      const std::optional<std::span<const std::byte>>& bytes = storages_.at(id.key).bytes;
      if (!bytes) {
        fail("ERR_CHECKPOINT_FORMAT", owner, ": the file does not have its storage ",
             quoted(id.key));
      }
      return *bytes;
    };
    read_state_dict(object, find_storage, path_, contents);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail("ERR_CHECKPOINT_FORMAT", path_, ": ", parts...);
  }

  Pickle next_pickle() {
    Pickle pickle = fetch_pickle(view_, file_, path_, pickle_memory(file_.size()), position_);
    position_ = pickle.end;
    return pickle;
  }

  void refuse_big_endian(const Pickle& machine) const {
    const PickleValue& root = machine[machine.root];
    for (size_t i = 0; root.kind == PickleKind::dict && i < root.items.size(); i += 2) {
      const PickleValue& value = machine[root.items[i + 1]];
      if (machine[root.items[i]].text == "little_endian" && value.integer != 0) {
        return;
      }
    }
    refuse("written on a big-endian machine; only little-endian files are read");
  }

  /// The ids of all storages of `object`, as the elements' sizes are not told where they lie.
  void find_ids(const Pickle& object) {
    const std::string owner = path_ + ": a tensor";
    for (const PickleValue& value : object.values) {
      if (value.kind != PickleKind::storage) {
        continue;
      }
      const StorageId id = read_storage_id(object, value, owner);
      const StorageId& first = storages_.try_emplace(id.key, Storage{id, {}}).first->second.id;
      if (first.dtype != id.dtype || first.elements != id.elements) {
        refuse("the storage ", quoted(id.key), " has ", first.elements, " elements of ",
               name_of(first.dtype), " for one tensor and ", id.elements, " of ", name_of(id.dtype),
               " for another");
      }
    }
  }

  void locate(const Pickle& keys) {
    const PickleValue& root = keys[keys.root];
    if (root.kind != PickleKind::list) {
      refuse("byte ", keys.begin, ": no list of the storages' keys");
    }
    for (const uint32_t item : root.items) {
      const std::string_view key = keys[item].text;
      const auto known = storages_.find(key);
      if (known == storages_.end() || known->second.bytes) {
        refuse("the storage ", quoted(key), " belongs to no tensor or is there twice");
      }
      known->second.bytes = next_storage(known->second.id);
    }
  }

  std::span<const std::byte> next_storage(const StorageId& id) {
    const uint64_t begin = position_;
    const std::optional<uint64_t> size = byte_count(id.dtype, std::span(&id.elements, 1));
    if (!lies_within(begin, sizeof(int64_t), file_.size()) || !size ||
        !lies_within(begin + sizeof(int64_t), *size, file_.size())) {
      refuse("the storage ", quoted(id.key), " of ", id.elements, " elements of ",
             name_of(id.dtype), " at byte ", begin, " reaches beyond the file's end at byte ",
             file_.size());
    }
    const auto elements = read_number<int64_t>(view_.fetch(begin, sizeof(int64_t)), 0);
    if (elements != id.elements) {
      refuse("the storage ", quoted(id.key), " at byte ", begin, " has ", elements,
             " elements, but its tensor expects ", id.elements);
    }
    position_ = begin + sizeof(int64_t) + *size;
    return file_.subspan(begin + sizeof(int64_t), *size);
  }

  const FileView& view_;
  const std::string& path_;
  std::span<const std::byte> file_;
  uint64_t position_ = 0;
  std::map<std::string_view, Storage> storages_;  // by keys that lie in the file
};

}  // namespace

bool is_legacy_pytorch(std::span<const std::byte> bytes) {
  // The number 0x1950a86a20f9469cfc6c as LONG1, behind the protocol and, from 4 on, a frame.
  constexpr std::string_view magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  constexpr size_t protocol = 2;
  constexpr size_t frame = 9;
  if (bytes.empty() || bytes[0] != std::byte{0x80}) {
    return false;
  }
  for (const size_t start : {protocol, protocol + frame}) {
    if (lies_within(start, magic.size(), bytes.size()) &&
        std::ranges::equal(bytes.subspan(start, magic.size()), std::as_bytes(std::span(magic)))) {
      return true;
    }
  }
  return false;
}

Contents read_legacy_pytorch(FileView file) {
  Contents contents;
  LegacyReader(file).read(contents);
  contents.files.push_back(std::move(file));
  return contents;
}

}  // namespace bertcnn::checkpoint
