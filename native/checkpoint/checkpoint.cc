#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <system_error>
#include <utility>

#include "checkpoint/contents.h"
#include "checkpoint/describe.h"
#include "checkpoint/legacy_pytorch_file.h"
#include "checkpoint/little_endian.h"
#include "checkpoint/pytorch_file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shards.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> names_in_directory = {
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
    "pytorch_model.bin.index.json"};

bool starts_with(std::span<const std::byte> bytes, std::string_view start) {
  return bytes.size() >= start.size() &&
         std::ranges::equal(bytes.first(start.size()), std::as_bytes(std::span(start)));
}

/// A JSON object behind eight bytes: no other format here looks like that.
bool is_safetensors(std::span<const std::byte> bytes) {
  return bytes.size() > sizeof(uint64_t) && bytes[sizeof(uint64_t)] == std::byte{'{'};
}

/// Enough to tell one format from another.
std::span<const std::byte> start_of(const FileView& file) {
  constexpr size_t length = 64;
  return file.fetch(0, std::min(length, file.bytes().size()));
}

[[noreturn]] void refuse_format(const FileView& file) {
  const std::span<const std::byte> bytes = start_of(file);
  std::string_view reason = "neither a safetensors file nor one that torch.save wrote";
  if (bytes.empty()) {
    reason = "the file is empty";
  } else if (starts_with(bytes, "\x80")) {
    reason = "a plain Python pickle, which is not read; save the weights with torch.save";
  } else if (starts_with(bytes, "version https://git-lfs")) {
    reason = "a Git LFS pointer in the place of the file; fetch the file with 'git lfs pull'";
  } else if (starts_with(bytes, "\x89HDF")) {
    reason = "an HDF5 file, as TensorFlow and Keras write; save the weights from PyTorch";
  }
  fail("ERR_CHECKPOINT_FORMAT", file.path(), ": ", reason);
}

/// What a directory may hold in the place of a checkpoint that is read, and what to do then.
std::string other_checkpoint_in(const std::string& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".h5") || name.find(".ckpt.") != std::string::npos ||
        name.ends_with(".msgpack") || name.ends_with(".onnx")) {
      return ". It holds " + checkpoint::quoted(name) +
             ", which is not read; docs/checkpoints.md says how to convert it in Python";
    }
  }
  return "";
}

[[noreturn]] void fail_without_checkpoint(const std::string& folder) {
  std::string names;
  for (const std::string_view name : names_in_directory) {
    names.append(names.empty() ? "" : ", ").append(name);
  }
  fail("ERR_FILE_NOT_FOUND", "no checkpoint in the directory ", folder, "; looked for ", names,
       other_checkpoint_in(folder));
}

Contents read_format(FileView file) {
  const std::span<const std::byte> bytes = start_of(file);
  // The second is the end record, all that an archive without entries has.
  if (starts_with(bytes, "PK\x03\x04") || starts_with(bytes, "PK\x05\x06")) {
    return read_pytorch(std::move(file));
  }
  if (is_legacy_pytorch(bytes)) {
    return read_legacy_pytorch(std::move(file));
  }
  if (is_safetensors(bytes)) {
    return read_safetensors(std::move(file));
  }
  refuse_format(file);
}

Contents read_file(FileView file) {
  Contents contents = read_format(std::move(file));
  const FileView& source = contents.files.front();
  for (Tensor& tensor : contents.tensors) {
    tensor.file = source.open_file();
    tensor.offset = static_cast<uint64_t>(tensor.bytes.data() - source.bytes().data());
  }
  source.forget();  // tensors are read when they are copied
  return contents;
}

template <typename Element>
void move_into(std::vector<Element>& all, std::vector<Element>& more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

Contents read_shards(const std::string& folder, const FileView& index_file, const ShardIndex& index,
                     std::vector<size_t>& starts) {
  Contents all;
  for (const std::string& name : index.files) {
    const std::string path = (fs::path(folder) / name).string();
    std::error_code error;
    if (!fs::exists(path, error)) {
      fail("ERR_FILE_NOT_FOUND", "no such file: ", path, ", a shard that ", index_file.path(),
           " names");
    }
    Contents shard = read_file(FileView(path));
    starts.push_back(all.tensors.size());
    if (all.metadata.empty()) {
      all.metadata = std::move(shard.metadata);
    }
    move_into(all.tensors, shard.tensors);
    move_into(all.files, shard.files);
  }
  starts.push_back(all.tensors.size());
  return all;
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return {read_file(FileView(path)), path};
  }
  for (const std::string_view name : names_in_directory) {
    const std::string file = path + "/" + std::string(name);
    if (fs::exists(file, error)) {
      return name.ends_with(".index.json") ? open_shards(path, file)
                                           : Checkpoint(read_file(FileView(file)), file);
    }
  }
  fail_without_checkpoint(path);
}

Checkpoint Checkpoint::read(std::span<const std::byte> bytes, const std::string& name) {
  return {read_file(FileView(name, bytes)), name};
}

Checkpoint Checkpoint::open_shards(const std::string& folder, const std::string& index_path) {
  const FileView index_file(index_path);
  const ShardIndex index = read_shard_index(index_file);
  std::vector<size_t> starts;
  Checkpoint checkpoint(read_shards(folder, index_file, index, starts), index_path);
  for (const auto& [name, file] : index.tensors) {
    const Tensor* const found = checkpoint.find(name);
    const Tensor* const first = checkpoint.tensors().data() + starts[file];
    const Tensor* const last = checkpoint.tensors().data() + starts[file + 1];
    if (found == nullptr || found < first || found >= last) {
      fail("ERR_CHECKPOINT_FORMAT", index_path, ": the tensor ", quoted(name), " is not in ",
           index.files[file], ", where weight_map says it is");
    }
  }
  return checkpoint;
}

Checkpoint::Checkpoint(Contents contents, const std::string& path)
    : contents_(std::make_unique<Contents>(std::move(contents))),
      by_name_(contents_->tensors.size()) {
  const std::vector<Tensor>& all = tensors();
  std::iota(by_name_.begin(), by_name_.end(), size_t{0});
  std::sort(by_name_.begin(), by_name_.end(),
            [&](size_t a, size_t b) { return all[a].name < all[b].name; });
  const auto twice = std::adjacent_find(by_name_.begin(), by_name_.end(), [&](size_t a, size_t b) {
    return all[a].name == all[b].name;
  });
  if (twice != by_name_.end()) {
    fail("ERR_CHECKPOINT_FORMAT", path, ": the tensor ", quoted(all[*twice].name),
         " is there twice");
  }
}

Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

const std::vector<Tensor>& Checkpoint::tensors() const {
  return contents_->tensors;
}

const Metadata& Checkpoint::metadata() const {
  return contents_->metadata;
}

const Tensor* Checkpoint::find(std::string_view name) const {
  const std::vector<Tensor>& all = tensors();
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](size_t i, std::string_view wanted) { return all[i].name < wanted; });
  return found != by_name_.end() && all[*found].name == name ? &all[*found] : nullptr;
}

}  // namespace bertcnn::checkpoint
