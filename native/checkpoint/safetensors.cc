#include "checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "checkpoint/atomic_file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/describe.h"
#include "checkpoint/little_endian.h"
#include "checkpoint/writable.h"
#include "error.h"
#include "json.h"

namespace bertcnn::checkpoint {
namespace {

constexpr uint64_t length_bytes = 8;
constexpr uint64_t longest_header = 100'000'000;  // the limit of the format's own library
constexpr std::string_view metadata_name = "__metadata__";

// In the order of DType.
constexpr std::array<std::string_view, 10> type_names = {"F64", "F32", "F16", "BF16", "I64",
                                                         "I32", "I16", "I8",  "U8",   "BOOL"};

// More of either is no model, but a small file that asks for a lot of memory.
constexpr size_t most_metadata = 65'536;

/// Where a tensor's bytes lie, counted from the header's end.
struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

class HeaderReader {
 public:
  HeaderReader(const FileView& file, std::string_view header)
      : path_(file.path()), reader_(header, file.path() + ": safetensors header") {}

  void read() {
    std::string name;
    reader_.open_object();
    while (reader_.next_member(name)) {
      if (name == metadata_name) {
        read_metadata();
      } else {
        read_entry(std::move(name));
      }
    }
    reader_.finish();
  }

  std::vector<Tensor> tensors;
  std::vector<Range> ranges;  // of each tensor
  Metadata metadata;

 private:
  void read_metadata() {
    if (std::exchange(has_metadata_, true)) {
      fail("ERR_CHECKPOINT_FORMAT", path_, ": the header has ", metadata_name, " twice");
    }
    std::string name;
    reader_.open_object();
    while (reader_.next_member(name)) {
      metadata.emplace_back(std::move(name), reader_.string());
      if (metadata.size() > most_metadata) {
        fail("ERR_CHECKPOINT_FORMAT", path_, ": more than ", most_metadata, " entries in ",
             metadata_name);
      }
    }
  }

  void read_entry(std::string name) {
    std::optional<DType> dtype;
    std::optional<std::vector<int64_t>> shape;
    std::optional<std::vector<int64_t>> offsets;
    std::string field;
    reader_.open_object();
    while (reader_.next_member(field)) {
      if (field == "dtype" && !dtype) {
        dtype = read_dtype(name);
      } else if (field == "shape" && !shape) {
        shape = read_integers(name);
      } else if (field == "data_offsets" && !offsets) {
        offsets = read_integers(name);
      } else {
        fail("ERR_CHECKPOINT_FORMAT", path_, ": tensor ", quoted(name), " has the field ",
             quoted(field), " twice or beside dtype, shape and data_offsets");
      }
    }
    if (!dtype || !shape || !offsets) {
      fail("ERR_CHECKPOINT_FORMAT", path_, ": tensor ", quoted(name),
           " lacks one of dtype, shape and data_offsets");
    }
    if (offsets->size() != 2 || offsets->front() < 0 || offsets->back() < offsets->front()) {
      fail("ERR_CHECKPOINT_FORMAT", path_, ": tensor ", quoted(name), " has data_offsets ",
           shape_text(*offsets), ", where [begin, end] is expected");
    }
    tensors.push_back({std::move(name), *dtype, std::move(*shape), {}});
    ranges.push_back(
        {static_cast<uint64_t>(offsets->front()), static_cast<uint64_t>(offsets->back())});
  }

  DType read_dtype(const std::string& name) {
    const std::string type = reader_.string();
    const auto* const found = std::find(type_names.begin(), type_names.end(), type);
    if (found == type_names.end()) {
      fail("ERR_CHECKPOINT_FORMAT", path_, ": tensor ", quoted(name), " has the dtype ",
           quoted(type),
           ", which is not read; F64, F32, F16, BF16, I64, I32, I16, I8, U8 and "
           "BOOL are");
    }
    return static_cast<DType>(found - type_names.begin());
  }

  std::vector<int64_t> read_integers(const std::string& name) {
    std::vector<int64_t> numbers;
    reader_.open_array();
    while (reader_.next_element()) {
      numbers.push_back(reader_.integer());
      if (numbers.size() > most_dimensions) {
        fail("ERR_CHECKPOINT_FORMAT", path_, ": tensor ", quoted(name), " has more than ",
             most_dimensions, " dimensions");
      }
    }
    return numbers;
  }

  const std::string& path_;
  json::Reader reader_;
  bool has_metadata_ = false;
};

std::string_view header_of(const FileView& file) {
  const uint64_t size = file.bytes().size();
  if (size < length_bytes) {
    fail("ERR_CHECKPOINT_FORMAT", file.path(), ": ", size,
         " bytes, too short for a safetensors file");
  }
  const auto length = read_number<uint64_t>(file.fetch(0, length_bytes), 0);
  if (length > longest_header || !lies_within(length_bytes, length, size)) {
    fail("ERR_CHECKPOINT_FORMAT", file.path(), ": the safetensors header claims ", length,
         " bytes, in a file of ", size, " (and at most ", longest_header, " are allowed)");
  }
  const std::span<const std::byte> header = file.fetch(length_bytes, length);
  return {reinterpret_cast<const char*>(header.data()), header.size()};
}

void check_size(const std::string& path, const Tensor& tensor, const Range& range) {
  const std::optional<uint64_t> expected = byte_count(tensor.dtype, tensor.shape);
  if (expected != range.end - range.begin) {
    fail("ERR_CHECKPOINT_FORMAT", path, ": tensor ", quoted(tensor.name), " of type ",
         name_of(tensor.dtype), " and shape ", shape_text(tensor.shape), " has ",
         range.end - range.begin, " bytes (", range.begin, " to ", range.end, "), expected ",
         expected ? std::to_string(*expected) : "a shape that is possible");
  }
}

/// The tensors must cover the `size` bytes behind the header, one after another.
void check_coverage(const std::string& path, const HeaderReader& header, uint64_t size) {
  const std::vector<Range>& ranges = header.ranges;
  std::vector<size_t> order(ranges.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(ranges[a].begin, ranges[a].end) < std::pair(ranges[b].begin, ranges[b].end);
  });
  uint64_t covered = 0;
  for (const size_t i : order) {
    if (ranges[i].begin != covered) {
      fail("ERR_CHECKPOINT_FORMAT", path, ": tensor ", quoted(header.tensors[i].name),
           " starts at byte ", ranges[i].begin, " of the data, but the one before it ends at ",
           covered, ranges[i].begin < covered ? ": they overlap" : ": there is a hole");
    }
    covered = ranges[i].end;
  }
  if (covered != size) {
    fail("ERR_CHECKPOINT_FORMAT", path, ": the header describes ", covered,
         " bytes of tensors, but ", size, " follow it",
         covered > size ? "; the file is cut off" : "");
  }
}

std::vector<Tensor> largest_elements_first(std::span<const Tensor> tensors) {
  std::vector<Tensor> order(tensors.begin(), tensors.end());
  std::stable_sort(order.begin(), order.end(), [](const Tensor& a, const Tensor& b) {
    return size_of(a.dtype) > size_of(b.dtype);
  });
  return order;
}

std::string header_for(std::span<const Tensor> tensors, const Metadata& metadata) {
  json::Object header;
  if (!metadata.empty()) {
    json::Object members;
    for (const auto& [name, value] : metadata) {
      members.emplace_back(name, value);
    }
    header.emplace_back(metadata_name, std::move(members));
  }
  int64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    const auto end = offset + static_cast<int64_t>(tensor.bytes.size());
    json::Object entry;
    entry.emplace_back("dtype", std::string(type_names[static_cast<size_t>(tensor.dtype)]));
    entry.emplace_back("shape", json::Array(tensor.shape.begin(), tensor.shape.end()));
    entry.emplace_back("data_offsets", json::Array{offset, end});
    header.emplace_back(tensor.name, std::move(entry));
    offset = end;
  }
  return json::write(header, 0);
}

void check_metadata(const Metadata& metadata) {
  for (size_t i = 0; i < metadata.size(); ++i) {
    const auto& [name, value] = metadata[i];
    const auto same = [&name = name](const auto& other) { return other.first == name; };
    if (!json::is_utf8(name) || !json::is_utf8(value) ||
        std::any_of(metadata.begin() + static_cast<std::ptrdiff_t>(i) + 1, metadata.end(), same)) {
      fail("ERR_INVALID_ARGUMENT", "the metadata entry ", quoted(name),
           " appears twice or is not UTF-8");
    }
  }
}

}  // namespace

Contents read_safetensors(FileView file) {
  const std::string_view header = header_of(file);
  HeaderReader reader(file, header);
  try {
    reader.read();
  } catch (const Error& error) {
    throw Error("ERR_CHECKPOINT_FORMAT", error.what());
  }
  const std::span<const std::byte> data = file.bytes().subspan(length_bytes + header.size());
  for (size_t i = 0; i < reader.tensors.size(); ++i) {
    check_size(file.path(), reader.tensors[i], reader.ranges[i]);
  }
  check_coverage(file.path(), reader, data.size());

  for (size_t i = 0; i < reader.tensors.size(); ++i) {
    const Range& range = reader.ranges[i];
    reader.tensors[i].bytes = data.subspan(range.begin, range.end - range.begin);
  }
  Contents contents;
  contents.tensors = std::move(reader.tensors);
  contents.metadata = std::move(reader.metadata);
  contents.files.push_back(std::move(file));
  return contents;
}

void write_safetensors(const std::string& file, std::span<const Tensor> tensors,
                       const Metadata& metadata) {
  check_writable(file, tensors);
  check_metadata(metadata);
  const auto reserved = std::find_if(tensors.begin(), tensors.end(), [](const Tensor& tensor) {
    return tensor.name == metadata_name;
  });
  if (reserved != tensors.end()) {
    fail("ERR_INVALID_ARGUMENT", "safetensors reserves the name ", metadata_name,
         ": no tensor can have it");
  }
  // With the data starting at a multiple of 8 and large elements first, every element is aligned.
  const std::vector<Tensor> order = largest_elements_first(tensors);
  std::string header = header_for(order, metadata);
  header.append((length_bytes - header.size() % length_bytes) % length_bytes, ' ');
  if (header.size() > longest_header) {
    fail("ERR_INVALID_ARGUMENT", "the header of ", file, " would take ", header.size(),
         " bytes; safetensors allows ", longest_header);
  }

  AtomicFile out(file);
  const auto length = static_cast<uint64_t>(header.size());
  out.write(std::as_bytes(std::span(&length, 1)));
  out.write(header);
  for (const Tensor& tensor : order) {
    out.write(TensorBytes(tensor).get());
  }
  out.commit();
}

}  // namespace bertcnn::checkpoint
