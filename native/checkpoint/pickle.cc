#include "checkpoint/pickle.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "checkpoint/describe.h"
#include "checkpoint/little_endian.h"
#include "error.h"
#include "json.h"

namespace bertcnn::checkpoint {
namespace {

/// Opcodes as CPython's pickletools names them.
enum Opcode : uint8_t {
  MARK = '(',
  STOP = '.',
  BINFLOAT = 'G',
  BININT = 'J',
  BININT1 = 'K',
  BININT2 = 'M',
  NONE = 'N',
  BINPERSID = 'Q',
  REDUCE = 'R',
  BINUNICODE = 'X',
  EMPTY_LIST = ']',
  APPEND = 'a',
  BUILD = 'b',
  GLOBAL = 'c',
  APPENDS = 'e',
  BINGET = 'h',
  LONG_BINGET = 'j',
  BINPUT = 'q',
  LONG_BINPUT = 'r',
  SETITEM = 's',
  TUPLE = 't',
  EMPTY_TUPLE = ')',
  SETITEMS = 'u',
  EMPTY_DICT = '}',
  PROTO = 0x80,
  TUPLE1 = 0x85,
  TUPLE2 = 0x86,
  TUPLE3 = 0x87,
  NEWTRUE = 0x88,
  NEWFALSE = 0x89,
  LONG1 = 0x8A,
  LONG4 = 0x8B,
  SHORT_BINUNICODE = 0x8C,
  BINUNICODE8 = 0x8D,
  STACK_GLOBAL = 0x93,
  MEMOIZE = 0x94,
  FRAME = 0x95,
};

/// Every name that a pickle may import. Storage types come after the functions.
constexpr std::array<std::string_view, 14> known_globals = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_parameter",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
};

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& source, size_t memory,
            uint64_t begin)
      : bytes_(bytes), source_(source), memory_(memory), position_(begin), opcode_at_(begin) {
    pickle_.begin = begin;
  }

  Pickle run() {
    none_ = add({PickleKind::none, 0, {}});
    false_ = add({PickleKind::boolean, 0, {}});
    true_ = add({PickleKind::boolean, 1, {}});
    read_protocol();
    while (step()) {
    }
    if (stack_.size() != 1 || !marks_.empty()) {
      refuse("the pickle ends with ", stack_.size(), " values, expected 1");
    }
    pickle_.root = stack_.back();
    pickle_.end = position_;
    return std::move(pickle_);
  }

 private:
  using Ref = uint32_t;
  static constexpr Ref no_ref = std::numeric_limits<Ref>::max();

  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail("ERR_CHECKPOINT_FORMAT", source_, ", byte ", opcode_at_, ": ", parts...);
  }

  [[noreturn]] void cut_off(uint64_t expected) const {
    cut_off(expected, "the pickle is cut off: ", expected, " more bytes expected, ",
            bytes_.size() - position_, " left");
  }

  template <typename... Parts>
  [[noreturn]] void cut_off(uint64_t expected, const Parts&... parts) const {
    try {
      refuse(parts...);
    } catch (const Error& error) {
      constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
      throw CutOff(error, expected > kMost - position_ ? kMost : position_ + expected);
    }
  }

  // ---- bytes

  template <typename Number>
  Number take_number() {
    return read_number<Number>(take(sizeof(Number)), 0);
  }

  std::span<const std::byte> take(uint64_t length) {
    if (!lies_within(position_, length, bytes_.size())) {
      cut_off(length);
    }
    const auto taken = bytes_.subspan(position_, length);
    position_ += length;
    return taken;
  }

  std::string_view take_text(uint64_t length) {
    const std::span<const std::byte> taken = take(length);
    const std::string_view text(reinterpret_cast<const char*>(taken.data()), taken.size());
    if (!json::is_utf8(text)) {
      refuse("the text ", quoted(text), " is not UTF-8");
    }
    return text;
  }

  std::string_view take_line() {
    const auto rest = bytes_.subspan(position_);
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    if (end == rest.end()) {
      cut_off(rest.size() + 1);
    }
    const auto length = static_cast<size_t>(end - rest.begin());
    const std::string_view line = take_text(length);
    take(1);
    return line;
  }

  // ---- values

  void charge(size_t bytes) {
    if (bytes > memory_) {
      refuse("more values than a file of this size can need");
    }
    memory_ -= bytes;
  }

  Ref add(PickleValue value) {
    charge(sizeof(PickleValue) + value.items.size() * sizeof(Ref));
    pickle_.values.push_back(std::move(value));
    return static_cast<Ref>(pickle_.values.size() - 1);
  }

  void push(Ref value) {
    if (stack_.size() == highest_stack_) {
      charge(sizeof(Ref));
      ++highest_stack_;
    }
    stack_.push_back(value);
  }
  void push(PickleValue value) { push(add(std::move(value))); }

  /// The values above the last mark are the only ones in reach.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Ref pop() {
    const Ref top = this->top();
    stack_.pop_back();
    return top;
  }

  Ref top() const {
    if (stack_.size() <= floor()) {
      refuse("the pickle takes a value that it did not give");
    }
    return stack_.back();
  }

  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) {
      refuse("the pickle refers to a mark that it did not set");
    }
    std::vector<Ref> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()),
                           stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  /// The value on top, which must be of `kind`, for adding to it.
  PickleValue& top_of_kind(PickleKind kind, std::string_view name) {
    PickleValue& value = pickle_.values[top()];
    if (value.kind != kind) {
      refuse("the pickle adds to something that is no ", name);
    }
    return value;
  }

  void append(PickleValue& container, const std::vector<Ref>& items) {
    charge(items.size() * sizeof(Ref));
    container.items.insert(container.items.end(), items.begin(), items.end());
  }

  // ---- opcodes

  void read_protocol() {
    if (take_number<uint8_t>() != PROTO) {
      refuse("not a pickle of protocol 2 to 5");
    }
    const auto protocol = take_number<uint8_t>();
    if (protocol < 2 || protocol > 5) {
      refuse("pickle protocol ", int{protocol}, " is not read; 2 to 5 are");
    }
  }

  /// Runs one opcode; false at the end of the pickle.
  bool step() {
    opcode_at_ = position_;
    const auto opcode = take_number<uint8_t>();
    if (opcode == STOP) {
      return false;
    }
    if (!step_scalar(opcode) && !step_container(opcode) && !step_memo(opcode) &&
        !step_object(opcode)) {
      refuse("the pickle opcode ", int{opcode}, " is not read: weights need none like it");
    }
    return true;
  }

  bool step_scalar(uint8_t opcode) {
    switch (opcode) {
      case NONE:
        push(none_);
        return true;
      case NEWTRUE:
        push(true_);
        return true;
      case NEWFALSE:
        push(false_);
        return true;
      case BININT:
        push_integer(take_number<int32_t>());
        return true;
      case BININT1:
        push_integer(take_number<uint8_t>());
        return true;
      case BININT2:
        push_integer(take_number<uint16_t>());
        return true;
      case LONG1:
        push_long(take_number<uint8_t>());
        return true;
      case LONG4:
        push_long(take_number<uint32_t>());
        return true;
      case BINFLOAT:
        take(sizeof(double));
        push({PickleKind::number, 0, {}});
        return true;
      case SHORT_BINUNICODE:
        push_text(take_number<uint8_t>());
        return true;
      case BINUNICODE:
        push_text(take_number<uint32_t>());
        return true;
      case BINUNICODE8:
        push_text(take_number<uint64_t>());
        return true;
      default:
        return false;
    }
  }

  void push_integer(int64_t number) { push({PickleKind::integer, number, {}}); }
  void push_text(uint64_t length) { push({PickleKind::text, 0, take_text(length)}); }

  /// Two's complement of `length` bytes, little-endian.
  void push_long(uint64_t length) {
    const std::span<const std::byte> digits = take(length);
    if (length > sizeof(uint64_t)) {
      push({PickleKind::number, 0, {}});
      return;
    }
    const bool negative = length > 0 && (digits.back() & std::byte{0x80}) != std::byte{0};
    uint64_t number = negative ? ~uint64_t{0} : 0;
    for (size_t i = digits.size(); i-- > 0;) {
      number = (number << 8) | std::to_integer<uint64_t>(digits[i]);
    }
    push_integer(static_cast<int64_t>(number));
  }

  bool step_container(uint8_t opcode) {
    switch (opcode) {
      case MARK:
        charge(sizeof(size_t));
        marks_.push_back(stack_.size());
        return true;
      case EMPTY_DICT:
        push({PickleKind::dict, 0, {}});
        return true;
      case EMPTY_LIST:
        push({PickleKind::list, 0, {}});
        return true;
      case EMPTY_TUPLE:
        push({PickleKind::tuple, 0, {}});
        return true;
      case TUPLE1:
        push_tuple(1);
        return true;
      case TUPLE2:
        push_tuple(2);
        return true;
      case TUPLE3:
        push_tuple(3);
        return true;
      case TUPLE:
        push({PickleKind::tuple, 0, {}, pop_to_mark()});
        return true;
      case APPEND: {
        const Ref item = pop();
        append(top_of_kind(PickleKind::list, "list"), {item});
        return true;
      }
      case APPENDS: {
        const std::vector<Ref> items = pop_to_mark();
        append(top_of_kind(PickleKind::list, "list"), items);
        return true;
      }
      case SETITEM: {
        const Ref value = pop();
        const Ref key = pop();
        append(top_of_kind(PickleKind::dict, "dict"), {key, value});
        return true;
      }
      case SETITEMS: {
        const std::vector<Ref> items = pop_to_mark();
        if (items.size() % 2 != 0) {
          refuse("a dict's key has no value");
        }
        append(top_of_kind(PickleKind::dict, "dict"), items);
        return true;
      }
      default:
        return false;
    }
  }

  void push_tuple(size_t length) {
    std::vector<Ref> items(length);
    for (size_t i = length; i-- > 0;) {
      items[i] = pop();
    }
    push({PickleKind::tuple, 0, {}, std::move(items)});
  }

  bool step_memo(uint8_t opcode) {
    switch (opcode) {
      case BINPUT:
        memoize(take_number<uint8_t>());
        return true;
      case LONG_BINPUT:
        memoize(take_number<uint32_t>());
        return true;
      case MEMOIZE:
        memoize(memo_count_);
        return true;
      case BINGET:
        push_memoized(take_number<uint8_t>());
        return true;
      case LONG_BINGET:
        push_memoized(take_number<uint32_t>());
        return true;
      case FRAME: {
        const auto length = take_number<uint64_t>();
        if (!lies_within(position_, length, bytes_.size())) {
          cut_off(length, "a pickle frame of ", length, " bytes, but ", bytes_.size() - position_,
                  " are left");
        }
        return true;
      }
      default:
        return false;
    }
  }

  void memoize(size_t index) {
    if (index >= memo_.size()) {
      // Pickles number from 0 on, with one byte at least for each.
      if (index > bytes_.size()) {
        refuse("the pickle stores under number ", index, ", more than it has bytes");
      }
      charge((index + 1 - memo_.size()) * sizeof(Ref));
      memo_.resize(index + 1, no_ref);
    }
    memo_count_ += memo_[index] == no_ref ? 1 : 0;
    memo_[index] = top();
  }

  void push_memoized(size_t index) {
    if (index >= memo_.size() || memo_[index] == no_ref) {
      refuse("the pickle refers to number ", index, ", which it did not store");
    }
    push(memo_[index]);
  }

  bool step_object(uint8_t opcode) {
    switch (opcode) {
      case GLOBAL: {
        const std::string_view module = take_line();
        push_global(module, take_line());
        return true;
      }
      case STACK_GLOBAL: {
        const Ref name = pop();
        const Ref module = pop();
        if (pickle_[name].kind != PickleKind::text || pickle_[module].kind != PickleKind::text) {
          refuse("a global's name is no text");
        }
        push_global(pickle_[module].text, pickle_[name].text);
        return true;
      }
      case REDUCE: {
        const Ref arguments = pop();
        const Ref function = pop();
        push(call(function, arguments));
        return true;
      }
      case BINPERSID:
        push_storage(pop());
        return true;
      case BUILD:
        // The attributes of a dict, such as a state dict's _metadata; weights do not depend on
        // them.
        pop();
        top_of_kind(PickleKind::dict, "dict");
        return true;
      default:
        return false;
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    const std::string full = std::string(module) + "." + std::string(name);
    const auto* const known = std::find(known_globals.begin(), known_globals.end(), full);
    if (known == known_globals.end()) {
      refuse_global(module, full);
    }
    push({PickleKind::global, 0, *known});
  }

  [[noreturn]] void refuse_global(std::string_view module, const std::string& full) const {
    const bool of_tensors =
        (module == "torch" || module == "torch.storage") && full.ends_with("Storage");
    if (of_tensors || module == "torch._utils" || module == "torch._tensor") {
      refuse("it holds a tensor of a kind that is not read (", quoted(full),
             "); dense tensors of float64, float32, float16, bfloat16, int64, int32, int16, int8, "
             "uint8 and bool are");
    }
    refuse("it holds the Python object ", quoted(full),
           ", and only tensors in dicts, lists and tuples are read. Save the weights alone, as "
           "torch.save(model.state_dict(), file) does");
  }

  Ref call(Ref function, Ref arguments) {
    const PickleValue& callee = pickle_[function];
    const PickleValue& given = pickle_[arguments];
    if (callee.kind != PickleKind::global || given.kind != PickleKind::tuple) {
      refuse("the pickle calls something that is no function");
    }
    if (callee.text == "collections.OrderedDict" && given.items.empty()) {
      return add({PickleKind::dict, 0, {}});
    }
    const bool rebuilds_tensor = callee.text == "torch._utils._rebuild_tensor_v2" ||
                                 callee.text == "torch._utils._rebuild_tensor";
    if (rebuilds_tensor) {
      return add({PickleKind::tensor, 0, {}, given.items});
    }
    const bool rebuilds_parameter = callee.text == "torch._utils._rebuild_parameter";
    if (rebuilds_parameter && given.items.size() == 3 &&
        pickle_[given.items[0]].kind == PickleKind::tensor) {
      return given.items[0];
    }
    refuse("unexpected arguments for ", callee.text);
  }

  void push_storage(Ref identity) {
    if (pickle_[identity].kind != PickleKind::tuple) {
      refuse("a persistent id is no tuple");
    }
    push({PickleKind::storage, 0, {}, pickle_[identity].items});
  }

  std::span<const std::byte> bytes_;
  const std::string& source_;
  size_t memory_;  // still to be had
  uint64_t position_;
  uint64_t opcode_at_;
  Pickle pickle_;
  std::vector<Ref> stack_;
  size_t highest_stack_ = 0;
  std::vector<size_t> marks_;
  std::vector<Ref> memo_;
  size_t memo_count_ = 0;
  Ref none_ = no_ref;
  Ref true_ = no_ref;
  Ref false_ = no_ref;
};

}  // namespace

Pickle read_pickle(std::span<const std::byte> bytes, const std::string& source, size_t memory,
                   uint64_t begin) {
  return Unpickler(bytes, source, memory, begin).run();
}

PickleWriter::PickleWriter() : out_("\x80\x02") {}

void PickleWriter::mark() {
  out_ += static_cast<char>(MARK);
}

void PickleWriter::global(std::string_view module, std::string_view name) {
  out_ += static_cast<char>(GLOBAL);
  out_.append(module).append("\n").append(name).append("\n");
}

void PickleWriter::text(std::string_view text) {
  const auto length = static_cast<uint32_t>(text.size());
  out_ += static_cast<char>(BINUNICODE);
  out_.append(reinterpret_cast<const char*>(&length), sizeof(length)).append(text);
}

void PickleWriter::integer(int64_t number) {
  if (number >= std::numeric_limits<int32_t>::min() &&
      number <= std::numeric_limits<int32_t>::max()) {
    const auto narrow = static_cast<int32_t>(number);
    out_ += static_cast<char>(BININT);
    out_.append(reinterpret_cast<const char*>(&narrow), sizeof(narrow));
  } else {
    out_ += static_cast<char>(LONG1);
    out_ += static_cast<char>(sizeof(number));
    out_.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
}

void PickleWriter::boolean(bool value) {
  out_ += static_cast<char>(value ? NEWTRUE : NEWFALSE);
}

void PickleWriter::empty_tuple() {
  out_ += static_cast<char>(EMPTY_TUPLE);
}

void PickleWriter::tuple_since_mark() {
  out_ += static_cast<char>(TUPLE);
}

void PickleWriter::reduce() {
  out_ += static_cast<char>(REDUCE);
}

void PickleWriter::persistent_id() {
  out_ += static_cast<char>(BINPERSID);
}

void PickleWriter::set_items_since_mark() {
  out_ += static_cast<char>(SETITEMS);
}

std::string PickleWriter::finish() {
  return out_ + static_cast<char>(STOP);
}

}  // namespace bertcnn::checkpoint
