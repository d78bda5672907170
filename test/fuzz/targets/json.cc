// What is read as JSON: any value, the index of a sharded checkpoint.
#include "json.h"

#include "../support.h"
#include "checkpoint/shards.h"

namespace bertcnn::fuzz {
namespace {

/// What is written reads back as the same, with and without line breaks.
void check_round_trip(const json::Value& value) {
  const std::string written = json::write(value, 0);
  require(json::write(json::parse(written, file_name), 0) == written, "JSON reads back equal");
  const std::string indented = json::write(value);
  require(json::write(json::parse(indented, file_name), 0) == written, "so does it with spaces");
}

void check_shard_index(std::string_view text) {
  checkpoint::ShardIndex index;
  const bool is_index = reads({"ERR_CHECKPOINT_FORMAT"}, [&] {
    index = checkpoint::read_shard_index({file_name, std::as_bytes(std::span(text))});
  });
  if (!is_index) {
    return;
  }
  for (const auto& [name, file] : index.tensors) {
    require(file < index.files.size(), "a tensor's shard is one of them");
  }
  for (const std::string& file : index.files) {
    require(file.find('/') == std::string::npos && file != "..", "shards lie in the folder");
  }
}

void check(std::string_view text) {
  json::Value value;
  const bool is_json = reads({"ERR_INVALID_JSON"}, [&] {
    const MemoryLimit limit((size_t{16} << 10) + 128 * text.size());
    value = json::parse(text, file_name);
  });
  if (is_json) {
    check_round_trip(value);
  }
  check_shard_index(text);
}

}  // namespace
}  // namespace bertcnn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  bertcnn::fuzz::check(bertcnn::fuzz::text_of(data, size));
  return 0;
}
