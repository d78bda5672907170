#include "checkpoint/state_dict.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "checkpoint/describe.h"
#include "checkpoint/strided.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

/// Where a training checkpoint keeps the state dict.
constexpr std::array<std::string_view, 3> nested_names = {"state_dict", "model_state_dict",
                                                          "model"};

class StateDictReader {
 public:
  StateDictReader(const Pickle& pickle, const FindStorage& find_storage, const std::string& path)
      : pickle_(pickle),
        find_storage_(find_storage),
        path_(path),
        unspent_lengths_(pickle.end - pickle.begin) {}

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
      contents.tensors.push_back(read_tensor(key.text, value));
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
      refuse("tensor ", quoted(name),
             ": sizes and strides hold more numbers than the pickle has bytes");
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

  Tensor read_tensor(std::string_view name, const PickleValue& value) {
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
    const std::string owner = path_ + ": tensor " + quoted(name);
    const StorageId storage = read_storage_id(pickle_, pickle_[items[0]], owner);
    tensor.dtype = storage.dtype;
    view.storage = find_storage_(storage, owner);
    view.element_size = size_of(tensor.dtype);
    view.offset = pickle_[items[1]].integer;
    if (!view.fits()) {
      refuse("tensor ", quoted(name), " of size ", shape_text(view.shape), ", stride ",
             shape_text(view.stride), " and offset ", view.offset,
             " reaches beyond its storage of ", view.storage.size() / view.element_size,
             " elements");
    }
    if (!view.is_contiguous()) {
      if (view.repeats()) {
        refuse("tensor ", quoted(name), " of size ", shape_text(view.shape), " and stride ",
               shape_text(view.stride),
               " repeats elements of its storage; save an expanded tensor ", "after .contiguous()");
      }
      tensor.stride = view.stride;
    }
    tensor.bytes = view.extent();
    return tensor;
  }

  const Pickle& pickle_;
  const FindStorage& find_storage_;
  const std::string& path_;
  uint64_t unspent_lengths_;  // that shapes and strides may still have; they may be shared
};

}  // namespace

StorageId read_storage_id(const Pickle& pickle, const PickleValue& value,
                          const std::string& owner) {
  const std::vector<uint32_t>& items = value.items;
  constexpr size_t longest_key = 100;  // torch numbers them
  const auto refuse = [&owner](std::string_view reason) {
    fail("ERR_CHECKPOINT_FORMAT", owner, ": ", reason);
  };
  // Before PyTorch 1.6 a sixth item told where the storage lies in another.
  const bool known_length = items.size() == 5 || items.size() == 6;
  if (!known_length || pickle[items[0]].text != "storage" ||
      pickle[items[2]].kind != PickleKind::text || pickle[items[2]].text.size() > longest_key ||
      pickle[items[4]].kind != PickleKind::integer) {
    refuse("its storage is not named as torch.save does");
  }
  if (items.size() == 6 && pickle[items[5]].kind != PickleKind::none) {
    refuse("its storage is a view of another one; save the tensor after .clone()");
  }
  const PickleValue& type = pickle[items[1]];
  constexpr std::string_view module = "torch.";
  const auto* const known =
      type.kind == PickleKind::global && type.text.starts_with(module)
          ? std::find(storage_names.begin(), storage_names.end(), type.text.substr(module.size()))
          : storage_names.end();
  if (known == storage_names.end()) {
    refuse("its storage has no type");
  }
  return {static_cast<DType>(known - storage_names.begin()), pickle[items[2]].text,
          pickle[items[4]].integer};
}

void read_state_dict(const Pickle& pickle, const FindStorage& find_storage, const std::string& path,
                     Contents& contents) {
  StateDictReader(pickle, find_storage, path).read(contents);
}

}  // namespace bertcnn::checkpoint
