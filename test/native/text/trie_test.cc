#include "text/trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace bertcnn::text {
namespace {

using Keys = std::map<std::string, int32_t>;

Trie trie_of(const Keys& keys) {
  return Trie(std::vector<std::pair<std::string_view, int32_t>>(keys.begin(), keys.end()));
}

Trie::Match longest_by_search(const Keys& keys, const std::string& text) {
  for (size_t length = text.size(); length > 0; --length) {
    const auto found = keys.find(text.substr(0, length));
    if (found != keys.end()) return {found->second, length};
  }
  return {};
}

/// A string of few different bytes, so that prefixes are shared.
std::string random_string(std::mt19937& random, size_t longest) {
  static constexpr char kBytes[] = {'a', 'b', '#', '\0', '\xFF', '\x80'};
  std::string text(random() % (longest + 1), 'a');
  for (char& byte : text) byte = kBytes[random() % sizeof(kBytes)];
  return text;
}

TEST(Trie, FindsTheLongestKeyThatATextStartsWith) {
  std::mt19937 random(1);
  Keys keys;
  for (int32_t i = 0; i < 3000; ++i) {
    const std::string key = random_string(random, 8);
    if (!key.empty()) keys.emplace(key, i);
  }
  const Trie trie = trie_of(keys);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = random_string(random, 12);
    const Trie::Match expected = longest_by_search(keys, text);
    const Trie::Match match = trie.longest_match(text);
    ASSERT_EQ(match.id, expected.id);
    ASSERT_EQ(match.length, expected.length);
    const auto exact = keys.find(text);
    ASSERT_EQ(trie.find(text), exact == keys.end() ? Trie::kNoId : exact->second);
  }
}

TEST(Trie, GoesOnFromANode) {
  const Trie trie = trie_of({{"##ing", 1}, {"##in", 2}, {"##", 3}, {"ing", 4}});
  const Trie::Node prefix = trie.node_at("##");
  EXPECT_EQ(trie.longest_match("ings", prefix).id, 1);
  EXPECT_EQ(trie.longest_match("inn", prefix).id, 2);
  EXPECT_EQ(trie.longest_match("x", prefix).id, Trie::kNoId);
  EXPECT_EQ(trie.longest_match("ings").id, 4);
}

TEST(Trie, HasNoNodeForAStrangePath) {
  EXPECT_EQ(trie_of({{"ab", 1}}).node_at("ax"), Trie::kNowhere);
  EXPECT_EQ(trie_of({}).node_at("#"), Trie::kNowhere);
}

TEST(Trie, KeepsTheFirstOfEqualKeysAndNoEmptyOne) {
  const Trie trie({{"a", 1}, {"", 7}, {"a", 2}});
  EXPECT_EQ(trie.find("a"), 1);
  EXPECT_EQ(trie.find(""), Trie::kNoId);
  EXPECT_EQ(trie.longest_match("").id, Trie::kNoId);
}

// Sets of children that leave one slot in sixteen free, into which no further set fits. Looking
// at all of those again for each set takes a minute.
TEST(Trie, IsBuiltAtOnceFromKeysThatLeaveHoles) {
  constexpr int kDigits = 90;  // printable
  std::vector<std::string> keys;
  for (int i = 0; i < 100'000; ++i) {
    const std::string prefix{static_cast<char>('!' + i / kDigits / kDigits),
                             static_cast<char>('!' + i / kDigits % kDigits),
                             static_cast<char>('!' + i % kDigits)};
    for (const char last : std::string("abcdefghijklmnp")) keys.push_back(prefix + last);
  }
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (const std::string& key : keys)
    entries.emplace_back(key, static_cast<int32_t>(entries.size()));
  const Trie trie(entries);
  for (size_t i = 0; i < keys.size(); i += 1000) {
    ASSERT_EQ(trie.find(keys[i]), static_cast<int32_t>(i));
  }
}

TEST(Trie, HoldsAVeryLongKey) {
  const std::string key(100000, 'k');
  EXPECT_EQ(trie_of({{key, 5}}).find(key), 5);
}

}  // namespace
}  // namespace bertcnn::text
