#include "checkpoint/pytorch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/atomic_file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/describe.h"
#include "checkpoint/little_endian.h"
#include "checkpoint/pickle.h"
#include "checkpoint/strided.h"
#include "checkpoint/writable.h"
#include "checkpoint/zip.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

// In the order of DType.
constexpr std::array<std::string_view, 10> storage_names = {
    "DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage",
    "IntStorage",    "ShortStorage", "CharStorage", "ByteStorage",     "BoolStorage"};

/// Where a training checkpoint keeps the state dict.
constexpr std::array<std::string_view, 3> nested_names = {"state_dict", "model_state_dict",
                                                          "model"};

class StateDictReader {
 public:
  StateDictReader(const MappedFile& file, const ZipArchive& archive, std::string folder)
      : path_(file.path()),
        archive_(archive),
        folder_(std::move(folder)),
        unspent_bytes_(file.bytes().size()),
        source_(path_ + ": data.pkl") {
    // A value takes more memory than its opcodes do in the file, but a model has few of them.
    constexpr size_t always_allowed = size_t{64} << 20;
    const ZipEntry* const entry = archive_.find(folder_ + "data.pkl");
    const std::span<const std::byte> bytes = archive_.stored_bytes(*entry);
    unspent_lengths_ = bytes.size();
    pickle_ = read_pickle(bytes, source_, always_allowed + file.bytes().size());
  }

  void read(Contents& contents) {
    const PickleValue& dict = state_dict();
    refuse_repeated_keys(dict);
    for (size_t i = 0; i < dict.items.size(); i += 2) {
      const PickleValue& value = pickle_[dict.items[i + 1]];
      if (value.kind != PickleKind::tensor) {
        continue;
      }
      const PickleValue& key = pickle_[dict.items[i]];
      if (key.kind != PickleKind::text) {
        refuse("a tensor's name is no text");
      }
      contents.tensors.push_back(read_tensor(key.text, value, contents.buffers));
    }
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail("ERR_CHECKPOINT_FORMAT", path_, ": ", parts...);
  }

  bool holds_tensors(const PickleValue& value) const {
    if (value.kind != PickleKind::dict) {
      return false;
    }
    for (size_t i = 1; i < value.items.size(); i += 2) {
      if (pickle_[value.items[i]].kind == PickleKind::tensor) {
        return true;
      }
    }
    return false;
  }

  /// A pickle names a value that it has given before in two bytes. Keys that differ lie apart in
  /// it, so that together they are no longer than the pickle; the first that is repeated ends the
  /// search, as comparing long ones again and again would take too long.
  void refuse_repeated_keys(const PickleValue& dict) const {
    std::set<std::string_view> seen;
    for (size_t i = 0; i < dict.items.size(); i += 2) {
      const PickleValue& key = pickle_[dict.items[i]];
      if (key.kind == PickleKind::text && !seen.insert(key.text).second) {
        refuse("the key ", quoted(key.text), " is there twice");
      }
    }
  }

  const PickleValue& state_dict() const {
    const PickleValue& root = pickle_[pickle_.root];
    if (root.kind != PickleKind::dict) {
      refuse(
          "it holds no dict of tensors but something else; save the weights as "
          "torch.save(model.state_dict(), file) does");
    }
    if (root.items.empty() || holds_tensors(root)) {
      return root;
    }
    refuse_repeated_keys(root);
    const PickleValue* found = nullptr;
    std::string keys;
    for (size_t i = 0; i < root.items.size(); i += 2) {
      const PickleValue& key = pickle_[root.items[i]];
      const bool known =
          key.kind == PickleKind::text &&
          std::find(nested_names.begin(), nested_names.end(), key.text) != nested_names.end();
      if (known && holds_tensors(pickle_[root.items[i + 1]])) {
        if (found != nullptr) {
          refuse("it holds several state dicts, of which one must be chosen; save that one alone");
        }
        found = &pickle_[root.items[i + 1]];
      }
      if (key.kind == PickleKind::text && keys.size() < 200) {
        keys += (keys.empty() ? "" : ", ") + quoted(key.text);
      }
    }
    if (found == nullptr) {
      refuse(
          "its dict holds no tensors, neither itself nor under \"state_dict\", "
          "\"model_state_dict\" or \"model\", but ",
          keys);
    }
    return *found;
  }

  /// A tuple of whole numbers, none negative.
  std::vector<int64_t> read_lengths(std::string_view name, const PickleValue& value,
                                    std::string_view what) {
    std::vector<int64_t> lengths;
    if (value.kind != PickleKind::tuple || value.items.size() > most_dimensions) {
      refuse("tensor ", quoted(name), ": its ", what, " is no tuple of at most ", most_dimensions,
             " numbers");
    }
    if (value.items.size() > unspent_lengths_) {
      refuse("tensor ", quoted(name), ": sizes and strides hold more numbers than data.pkl bytes");
    }
    unspent_lengths_ -= value.items.size();
    for (const uint32_t item : value.items) {
      if (pickle_[item].kind != PickleKind::integer || pickle_[item].integer < 0) {
        refuse("tensor ", quoted(name), ": its ", what, " holds something negative or no number");
      }
      lengths.push_back(pickle_[item].integer);
    }
    return lengths;
  }

  Tensor read_tensor(std::string_view name, const PickleValue& value,
                     std::vector<std::vector<std::byte>>& buffers) {
    // torch._utils._rebuild_tensor(storage, offset, size, stride), and _v2 with requires_grad,
    // backward hooks and, at times, metadata (a conjugate or negative view, which weights are not).
    const std::vector<uint32_t>& items = value.items;
    const bool plain = items.size() == 4 || items.size() == 6 ||
                       (items.size() == 7 && pickle_[items[6]].items.empty());
    if (!plain || pickle_[items[0]].kind != PickleKind::storage ||
        pickle_[items[1]].kind != PickleKind::integer) {
      refuse("tensor ", quoted(name), ": not rebuilt from a storage, offset, size and stride");
    }
    Tensor tensor;
    tensor.name = name;
    tensor.shape = read_lengths(name, pickle_[items[2]], "size");
    StridedView view;
    view.shape = tensor.shape;
    view.stride = read_lengths(name, pickle_[items[3]], "stride");
    view.storage = read_storage(name, pickle_[items[0]], tensor.dtype);
    view.element_size = size_of(tensor.dtype);
    view.offset = pickle_[items[1]].integer;
    if (!view.fits()) {
      refuse("tensor ", quoted(name), " of size ", shape_text(view.shape), ", stride ",
             shape_text(view.stride), " and offset ", view.offset,
             " reaches beyond its storage of ", view.storage.size() / view.element_size,
             " elements");
    }
    tensor.bytes = view.is_contiguous() ? view.contiguous_bytes() : gather(name, view, buffers);
    return tensor;
  }

  /// The bytes of the storage that a persistent id names: ("storage", type, key, location,
  /// elements).
  std::span<const std::byte> read_storage(std::string_view name, const PickleValue& identity,
                                          DType& dtype) const {
    const std::vector<uint32_t>& items = identity.items;
    constexpr size_t longest_key = 100;  // torch numbers them
    if (items.size() != 5 || pickle_[items[0]].text != "storage" ||
        pickle_[items[2]].kind != PickleKind::text || pickle_[items[2]].text.size() > longest_key ||
        pickle_[items[4]].kind != PickleKind::integer) {
      refuse("tensor ", quoted(name), ": its storage is not named as torch.save does");
    }
    const PickleValue& type = pickle_[items[1]];
    constexpr std::string_view module = "torch.";
    const auto* const known =
        type.kind == PickleKind::global && type.text.starts_with(module)
            ? std::find(storage_names.begin(), storage_names.end(), type.text.substr(module.size()))
            : storage_names.end();
    if (known == storage_names.end()) {
      refuse("tensor ", quoted(name), ": its storage has no type");
    }
    dtype = static_cast<DType>(known - storage_names.begin());
    const std::string entry_name = folder_ + "data/" + std::string(pickle_[items[2]].text);
    const ZipEntry* const entry = archive_.find(entry_name);
    if (entry == nullptr) {
      refuse("tensor ", quoted(name), ": the archive has no entry ", quoted(entry_name));
    }
    const std::span<const std::byte> bytes = archive_.stored_bytes(*entry);
    const int64_t count = pickle_[items[4]].integer;
    if (byte_count(dtype, std::span(&count, 1)) != bytes.size()) {
      refuse("tensor ", quoted(name), ": its storage of ", count, " elements of ", name_of(dtype),
             " is an entry of ", bytes.size(), " bytes");
    }
    return bytes;
  }

  std::span<const std::byte> gather(std::string_view name, const StridedView& view,
                                    std::vector<std::vector<std::byte>>& buffers) {
    if (view.element_count() > view.storage.size() / view.element_size) {
      refuse("tensor ", quoted(name), " of size ", shape_text(view.shape), " and stride ",
             shape_text(view.stride), " repeats the ", view.storage.size() / view.element_size,
             " elements of its storage; save an expanded tensor after .contiguous()");
    }
    const uint64_t size = view.element_count() * view.element_size;
    if (size > unspent_bytes_) {
      refuse("tensor ", quoted(name),
             ": the views that are not contiguous take more memory than "
             "the file; save them after .contiguous()");
    }
    unspent_bytes_ -= size;
    buffers.push_back(view.gather());
    return buffers.back();
  }

  const std::string& path_;
  const ZipArchive& archive_;
  std::string folder_;            // with a slash at its end, or empty
  uint64_t unspent_bytes_;        // that copies may still take
  uint64_t unspent_lengths_ = 0;  // that shapes and strides may still have; they may be shared
  std::string source_;
  Pickle pickle_;
};

/// The folder in the archive that holds everything, with a slash at its end.
std::string folder_of(const ZipArchive& archive, const std::string& path) {
  std::string folder;
  if (!archive.entries().empty()) {
    const std::string_view first = archive.entries().front().name;
    folder = first.substr(0, first.find('/') + 1);
  }
  if (archive.find(folder + "data.pkl") == nullptr) {
    fail("ERR_CHECKPOINT_FORMAT", path, ": a zip archive without ", quoted(folder + "data.pkl"),
         ", so not one that torch.save wrote");
  }
  if (archive.find(folder + "constants.pkl") != nullptr) {
    fail("ERR_CHECKPOINT_FORMAT", path,
         ": a TorchScript archive, which holds a program; save its weights as "
         "torch.save(model.state_dict(), file) does");
  }
  const ZipEntry* const order = archive.find(folder + "byteorder");
  constexpr std::string_view little = "little";
  if (order != nullptr && !std::ranges::equal(order->bytes, std::as_bytes(std::span(little)))) {
    const std::string_view text(reinterpret_cast<const char*>(order->bytes.data()),
                                order->bytes.size());
    fail("ERR_CHECKPOINT_FORMAT", path, ": written with the byte order ", quoted(text),
         "; only little-endian files are read");
  }
  return folder;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

void write_dict(PickleWriter& pickle) {
  pickle.global("collections", "OrderedDict");
  pickle.empty_tuple();
  pickle.reduce();
}

void write_lengths(PickleWriter& pickle, std::span<const int64_t> lengths) {
  pickle.mark();
  for (const int64_t length : lengths) {
    pickle.integer(length);
  }
  pickle.tuple_since_mark();
}

std::vector<int64_t> contiguous_stride(std::span<const int64_t> shape) {
  std::vector<int64_t> stride(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    stride[i - 1] = stride[i] * std::max<int64_t>(shape[i], 1);
  }
  return stride;
}

void write_tensor(PickleWriter& pickle, const Tensor& tensor, std::string_view key) {
  pickle.text(tensor.name);
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.mark();

  pickle.mark();
  pickle.text("storage");
  pickle.global("torch", storage_names[static_cast<size_t>(tensor.dtype)]);
  pickle.text(key);
  pickle.text("cpu");
  pickle.integer(tensor.numel());
  pickle.tuple_since_mark();
  pickle.persistent_id();

  pickle.integer(0);
  write_lengths(pickle, tensor.shape);
  write_lengths(pickle, contiguous_stride(tensor.shape));
  pickle.boolean(false);  // requires_grad
  write_dict(pickle);     // backward hooks
  pickle.tuple_since_mark();
  pickle.reduce();
}

}  // namespace

bool is_legacy_pytorch(std::span<const std::byte> bytes) {
  // Protocol 2, then the number 0x1950a86a20f9469cfc6c as LONG1.
  constexpr std::string_view magic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  return bytes.size() >= magic.size() &&
         std::ranges::equal(bytes.first(magic.size()), bytes_of(magic));
}

Contents read_pytorch(MappedFile file) {
  const ZipArchive archive(file.bytes(), file.path());
  StateDictReader reader(file, archive, folder_of(archive, file.path()));
  Contents contents;
  reader.read(contents);
  contents.files.push_back(std::move(file));
  return contents;
}

void write_pytorch(const std::string& file, std::span<const Tensor> tensors) {
  check_writable(file, tensors);
  PickleWriter pickle;
  write_dict(pickle);
  pickle.mark();
  for (size_t i = 0; i < tensors.size(); ++i) {
    write_tensor(pickle, tensors[i], std::to_string(i));
  }
  pickle.set_items_since_mark();

  AtomicFile out(file);
  ZipWriter zip(out);
  zip.add("archive/data.pkl", bytes_of(pickle.finish()));
  zip.add("archive/byteorder", bytes_of("little"));
  for (size_t i = 0; i < tensors.size(); ++i) {
    zip.add("archive/data/" + std::to_string(i), tensors[i].bytes);
  }
  zip.add("archive/version", bytes_of("3\n"));
  zip.finish();
  out.commit();
}

}  // namespace bertcnn::checkpoint
