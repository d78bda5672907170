#include "checkpoint/shards.h"

#include <map>
#include <string_view>

#include "checkpoint/describe.h"
#include "error.h"
#include "json.h"

namespace bertcnn::checkpoint {
namespace {

void check_file_name(const std::string& path, const std::string& name) {
  constexpr size_t longest = 255;
  if (name.empty() || name == "." || name == ".." || name.size() > longest ||
      name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
    fail("ERR_CHECKPOINT_FORMAT", path, ": ", quoted(name),
         " is no plain file name; shards lie in the folder of their index");
  }
}

void read_weight_map(const std::string& path, json::Reader& reader, ShardIndex& index) {
  std::map<std::string, size_t> numbers;
  std::string tensor;
  reader.open_object();
  while (reader.next_member(tensor)) {
    const std::string file = reader.string();
    const auto [known, added] = numbers.emplace(file, index.files.size());
    if (added) {
      check_file_name(path, file);
      index.files.push_back(file);
    }
    index.tensors.emplace_back(std::move(tensor), known->second);
  }
}

}  // namespace

ShardIndex read_shard_index(const FileView& file) {
  ShardIndex index;
  const std::span<const std::byte> bytes = file.fetch(0, file.bytes().size());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  bool has_weight_map = false;
  try {
    json::Reader reader(text, file.path());
    std::string name;
    reader.open_object();
    while (reader.next_member(name)) {
      if (name != "weight_map") {
        reader.value();
      } else if (std::exchange(has_weight_map, true)) {
        fail("ERR_CHECKPOINT_FORMAT", file.path(), ": weight_map is there twice");
      } else {
        read_weight_map(file.path(), reader, index);
      }
    }
    reader.finish();
  } catch (const Error& error) {
    throw Error("ERR_CHECKPOINT_FORMAT", error.what());
  }
  if (!has_weight_map) {
    fail("ERR_CHECKPOINT_FORMAT", file.path(), ": no weight_map, so not an index of shards");
  }
  return index;
}

}  // namespace bertcnn::checkpoint
