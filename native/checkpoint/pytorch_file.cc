#include "checkpoint/pytorch_file.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/atomic_file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/describe.h"
#include "checkpoint/file_pickle.h"
#include "checkpoint/little_endian.h"
#include "checkpoint/pickle.h"
#include "checkpoint/state_dict.h"
#include "checkpoint/writable.h"
#include "checkpoint/zip.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

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
  if (order == nullptr) {
    return folder;
  }
  // A name, of which no more is read than tells it from another.
  constexpr size_t longest = 64;
  const std::span<const std::byte> bytes = archive.fetch(
      {order->name, order->bytes.first(std::min(longest, order->bytes.size())), order->stored});
  if (!std::ranges::equal(bytes, std::as_bytes(std::span(little)))) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
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

Contents read_pytorch(FileView file) {
  const std::string& path = file.path();
  const ZipArchive archive(file);
  const std::string folder = folder_of(archive, path);
  const auto find_storage = [&](const StorageId& storage, const std::string& owner) {
    const std::string entry_name = folder + "data/" + std::string(storage.key);
    const ZipEntry* const entry = archive.find(entry_name);
    if (entry == nullptr) {
      fail("ERR_CHECKPOINT_FORMAT", owner, ": the archive has no entry ", quoted(entry_name));
    }
    const std::span<const std::byte> bytes = archive.stored_bytes(*entry);
    if (byte_count(storage.dtype, std::span(&storage.elements, 1)) != bytes.size()) {
      fail("ERR_CHECKPOINT_FORMAT", owner, ": its storage of ", storage.elements, " elements of ",
           name_of(storage.dtype), " is an entry of ", bytes.size(), " bytes");
    }
    return bytes;
  };
  const std::string source = path + ": data.pkl";
  const Pickle pickle = fetch_pickle(file, archive.stored_bytes(*archive.find(folder + "data.pkl")),
                                     source, pickle_memory(file.bytes().size()));
  Contents contents;
  read_state_dict(pickle, find_storage, path, contents);
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
    zip.add("archive/data/" + std::to_string(i), TensorBytes(tensors[i]).get());
  }
  zip.add("archive/version", bytes_of("3\n"));
  zip.finish();
  out.commit();
}

}  // namespace bertcnn::checkpoint
