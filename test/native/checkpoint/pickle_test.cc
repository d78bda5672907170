#include "checkpoint/pickle.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/test_files.h"

namespace bertcnn::checkpoint {
namespace {

using std::string_literals::operator""s;

constexpr size_t memory = size_t{1} << 20;

Pickle read(const std::string& opcodes, size_t allowed = memory) {
  const std::string whole = "\x80\x02" + opcodes;
  Pickle pickle = read_pickle(std::as_bytes(std::span(whole)), "data.pkl", allowed);
  for (PickleValue& value : pickle.values) {
    value.text = {};  // `whole` ends here
  }
  return pickle;
}

std::string refusal(const std::string& opcodes, size_t allowed = memory) {
  const std::string error = error_of([&] { read(opcodes, allowed); });
  EXPECT_TRUE(error.empty() || contains(error, "ERR_CHECKPOINT_FORMAT: data.pkl, byte "));
  return error;
}

/// The integer that these opcodes leave.
int64_t integer_of(const std::string& opcodes) {
  const Pickle pickle = read(opcodes + ".");
  EXPECT_EQ(pickle[pickle.root].kind, PickleKind::integer);
  return pickle[pickle.root].integer;
}

std::string repeated(const std::string& opcodes, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += opcodes;
  }
  return all;
}

TEST(Pickle, ReadsIntegersOfEveryWidth) {
  EXPECT_EQ(integer_of("K\xFF"), 255);
  EXPECT_EQ(integer_of("M\xFF\xFF"), 65535);
  EXPECT_EQ(integer_of("J\xFE\xFF\xFF\xFF"), -2);
  EXPECT_EQ(integer_of("\x8A\x00"s), 0);
  EXPECT_EQ(integer_of("\x8A\x01\xFF"), -1);
  EXPECT_EQ(integer_of("\x8A\x05\x00\x00\x00\x00\x01"s), int64_t{1} << 32);
  EXPECT_EQ(integer_of("\x8A\x08\x00\x00\x00\x00\x00\x00\x00\x80"s), INT64_MIN);
  EXPECT_EQ(integer_of("\x8B\x02\x00\x00\x00\x00\x01"s), 256);
  const Pickle wide = read("\x8A\x09" + std::string(9, '\1') + ".");
  EXPECT_EQ(wide[wide.root].kind, PickleKind::number);
}

TEST(Pickle, ReadsNestedContainers) {
  // {"a": [1, (2, 3)], "b": None}
  const Pickle pickle = read("}(X\x01\0\0\0a](K\x01K\x02K\x03\x86\x65X\x01\0\0\0bNu."s);
  const PickleValue& dict = pickle[pickle.root];
  ASSERT_EQ(dict.kind, PickleKind::dict);
  ASSERT_EQ(dict.items.size(), 4U);
  EXPECT_EQ(pickle[dict.items[0]].kind, PickleKind::text);
  const PickleValue& list = pickle[dict.items[1]];
  ASSERT_EQ(list.kind, PickleKind::list);
  ASSERT_EQ(list.items.size(), 2U);
  EXPECT_EQ(pickle[list.items[0]].integer, 1);
  EXPECT_EQ(pickle[list.items[1]].kind, PickleKind::tuple);
  EXPECT_EQ(pickle[dict.items[3]].kind, PickleKind::none);
}

TEST(Pickle, MemoGivesTheSameValueAgain) {
  const Pickle put = read("(]q\x05h\x05t.");
  EXPECT_EQ(put[put.root].items[0], put[put.root].items[1]);
  const Pickle memoized = read("(]\x94h\x00t."s);
  EXPECT_EQ(memoized[memoized.root].items[0], memoized[memoized.root].items[1]);
}

TEST(Pickle, AListThatHoldsItselfIsRead) {
  EXPECT_EQ(refusal("]q\0h\0a."s), "");
}

TEST(Pickle, DeepNestingIsRead) {
  EXPECT_EQ(refusal("N" + repeated("\x85", 300'000) + ".", size_t{64} << 20), "");
}

TEST(Pickle, RefusesWhatIsNotAPickle) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "cut off"},
      {"\x80", "cut off"},
      {"N.", "not a pickle of protocol 2 to 5"},
      {"\x80\x01N.", "pickle protocol 1 is not read"},
      {"\x80\x06N.", "pickle protocol 6 is not read"},
      {"\x80\x02", "cut off"},
  };
  for (const auto& [bytes, reason] : cases) {
    const std::string error =
        error_of([&] { read_pickle(std::as_bytes(std::span(bytes)), "data.pkl", memory); });
    EXPECT_TRUE(contains(error, reason));
  }
}

TEST(Pickle, RefusesOpcodesThatTakeWhatIsNotThere) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {".", "ends with 0 values"},
      {"NN.", "ends with 2 values"},
      {"(.", "ends with 0 values"},
      {"N(.", "ends with 1 values"},
      {"a", "takes a value that it did not give"},
      {"Na", "takes a value that it did not give"},
      {"s", "takes a value that it did not give"},
      {"\x85", "takes a value that it did not give"},
      {"NN\x87", "takes a value that it did not give"},
      {"R", "takes a value that it did not give"},
      {"Q", "takes a value that it did not give"},
      {"b", "takes a value that it did not give"},
      {"\x93", "takes a value that it did not give"},
      {"q\0"s, "takes a value that it did not give"},
      {"N(\x85", "takes a value that it did not give"},
      {"](q\0"s, "takes a value that it did not give"},
      {"t", "a mark that it did not set"},
      {"]e", "a mark that it did not set"},
      {"}u", "a mark that it did not set"},
      {"}(Nu", "a dict's key has no value"},
      {"N(NNu", "adds to something that is no dict"},
      {"NNNs", "adds to something that is no dict"},
      {"NNa", "adds to something that is no list"},
      {"}(Ne", "adds to something that is no list"},
      {"NNb", "adds to something that is no dict"},
      {"NNR", "calls something that is no function"},
      {"ctorch\nFloatStorage\nNR", "calls something that is no function"},
      {"ctorch\nFloatStorage\n)R", "unexpected arguments for torch.FloatStorage"},
      {"ccollections\nOrderedDict\nN\x85R", "unexpected arguments for collections.OrderedDict"},
      {"ctorch._utils\n_rebuild_parameter\n)R", "unexpected arguments"},
      {"ctorch._utils\n_rebuild_parameter\n(NNNtR", "unexpected arguments"},
      {"NQ", "a persistent id is no tuple"},
      {"NN\x93", "a global's name is no text"},
      {"h\0"s, "refers to number 0, which it did not store"},
      {"j\xFF\xFF\xFF\xFF", "refers to number 4294967295"},
      {"Nr\xFF\xFF\xFF\xFF", "stores under number 4294967295, more than it has bytes"},
      {"Nq\x03h\x02", "refers to number 2, which it did not store"},
      {"\x95\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "a pickle frame of 18446744073709551615 bytes"},
      {"X\xFF\xFF\xFF\xFF", "cut off: 4294967295 more bytes expected"},
      {"\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "cut off: 18446744073709551615 more bytes"},
      {"\x8B\xFF\xFF\xFF\xFF", "cut off: 4294967295 more bytes"},
      {"\x8A\x08\x01", "cut off"},
      {"J\x01", "cut off"},
      {"G\x01", "cut off"},
      {"X\x01\0\0\0\xFF."s, "is not UTF-8"},
      {"ctorch", "cut off"},
      {"ctorch\nFloatStorage", "cut off"},
      {"c", "cut off"},
      {"", "cut off"},
  };
  for (const auto& [opcodes, reason] : cases) {
    EXPECT_TRUE(contains(refusal(opcodes), reason));
  }
}

TEST(Pickle, RefusesEveryOpcodeThatWeightsDoNotNeed) {
  // In pickletools' names: POP, DUP, FLOAT, INT, LONG, STRING, BINSTRING, UNICODE, PERSID, INST,
  // OBJ, DICT, LIST, BINBYTES, NEWOBJ, EXT1, EMPTY_SET, ADDITEMS, FROZENSET, NEWOBJ_EX, BYTEARRAY8,
  // NEXT_BUFFER.
  for (const char opcode : "02FILSTVPiodlB\x81\x82\x8F\x90\x91\x92\x96\x97"s) {
    EXPECT_TRUE(contains(refusal("N"s + opcode + "........."), "the pickle opcode "));
  }
}

TEST(Pickle, RefusesGlobalsByNameHoweverTheyAreWritten) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cposix\nsystem\n.", "\"posix.system\""},
      {"cbuiltins\neval\n.", "\"builtins.eval\""},
      {"c__main__\nModel\n.", "\"__main__.Model\""},
      {"cnumpy.core.multiarray\nscalar\n.", "\"numpy.core.multiarray.scalar\""},
      {"X\x02\0\0\0osX\x06\0\0\0system\x93."s, "\"os.system\""},
      {"ccollections.OrderedDict\n\n.", "\"collections.OrderedDict.\""},
      {"ctorch\nload\n.", "\"torch.load\""},
      {"ctorch.FloatStorage\n__init__\n.", "\"torch.FloatStorage.__init__\""},
      {"c\n\n.", "\".\""},
  };
  for (const auto& [opcodes, name] : cases) {
    EXPECT_TRUE(contains(refusal(opcodes), "the Python object " + name));
  }
}

TEST(Pickle, LimitsMemoryWhateverIsRepeated) {
  constexpr int times = 100'000;
  const std::vector<std::string> bombs = {
      repeated("N", times),
      repeated("(", times),
      repeated("]", times),
      repeated("K\x01", times),
      "N" + repeated("\x85", times),
      // A long tuple copied into ever more containers through the memo.
      "(" + repeated("N", 1000) + "tq\x01" + repeated("h\x01Q", 1000),
      "Nr\xA0\x86\x01\0"s + repeated("N", times),
  };
  for (const std::string& bomb : bombs) {
    EXPECT_TRUE(contains(refusal(bomb + ".", size_t{100'000}),
                         "more values than a file of this "
                         "size can need"));
  }
}

}  // namespace
}  // namespace bertcnn::checkpoint
