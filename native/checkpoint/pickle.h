// The part of Python's pickle format that state dicts are written in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

namespace bertcnn::checkpoint {

enum class PickleKind : uint8_t {
  none,
  boolean,
  integer,
  number,  // a float, or an integer of more than 64 bits: nothing here needs its value
  text,
  tuple,
  list,
  dict,     // items: key, value, key, value, ...
  global,   // something imported by name: a function or a storage type
  storage,  // items of torch's persistent id: "storage", type, key, location, number of elements
  tensor,   // items: the arguments of the torch function that rebuilds it
};

struct PickleValue {
  PickleKind kind = PickleKind::none;
  int64_t integer = 0;    // of an integer or boolean
  std::string_view text;  // of a text or global ("torch.FloatStorage"); lies in the pickle
                          // or is static
  std::vector<uint32_t> items = {};  // indices into Pickle::values
};

struct Pickle {
  std::vector<PickleValue> values;
  uint32_t root = 0;
  /// The bytes that the pickle took, from begin to before end.
  uint64_t begin = 0;
  uint64_t end = 0;

  const PickleValue& operator[](uint32_t index) const { return values[index]; }
};

/// The pickle goes on behind the bytes that were given, up to byte `end` at least.
class CutOff : public Error {
 public:
  CutOff(const Error& error, uint64_t end) : Error(error), end_(end) {}

  uint64_t end() const { return end_; }

 private:
  uint64_t end_;
};

/// Reads a pickle of protocol 2 to 5 from byte `begin` on; what follows it is not looked at. It
/// runs nothing and knows dicts, lists, tuples, texts, numbers, booleans and None, storages, and
/// torch's functions that rebuild tensors and parameters; every other opcode or global is refused
/// by its name. Values refer to each other by index, so cyclic and deeply nested data do no harm,
/// and what they take is limited to `memory` bytes. `source` is for messages. Errors:
/// `ERR_CHECKPOINT_FORMAT`, as CutOff where the bytes end before the pickle.
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& source, size_t memory,
                   uint64_t begin = 0);

/// Builds a pickle of protocol 2, opcode by opcode.
class PickleWriter {
 public:
  PickleWriter();

  void mark();
  void global(std::string_view module, std::string_view name);
  void text(std::string_view text);
  void integer(int64_t number);
  void boolean(bool value);
  void empty_tuple();
  /// A tuple of what was written since the last mark.
  void tuple_since_mark();
  /// Calls the function below the tuple on top with it.
  void reduce();
  /// Makes the tuple on top a persistent id.
  void persistent_id();
  /// Adds the keys and values written since the last mark to the dict below it.
  void set_items_since_mark();
  /// Ends the pickle.
  std::string finish();

 private:
  std::string out_;
};

}  // namespace bertcnn::checkpoint
