#include "text/trie.h"

#include <algorithm>

namespace bertcnn::text {

/// Places the nodes of a trie, each with its children at once, from the sorted keys.
class TrieBuilder {
 public:
  using Entry = std::pair<std::string_view, int32_t>;

  TrieBuilder(const std::vector<Entry>& entries, Trie& trie) : entries_(entries), trie_(trie) {}

  void build() {
    grow_to(kFanOut);
    trie_.nodes_[Trie::kRoot].parent_and_end = kNoParent;
    // Depth first with a stack of its own: a hostile vocabulary may hold very long tokens.
    std::vector<Subtree> waiting{{Trie::kRoot, 0, 0, entries_.size()}};
    while (!waiting.empty()) {
      const Subtree subtree = waiting.back();
      waiting.pop_back();
      place_children(subtree, waiting);
    }
    // So that `base + byte` is inside for every node.
    grow_to(highest_base_ + kFanOut);
    trie_.nodes_.shrink_to_fit();
    trie_.ids_.shrink_to_fit();
  }

 private:
  static constexpr size_t kFanOut = 256;
  static constexpr uint32_t kNoParent = UINT32_MAX - 1;

  /// The entries `[first, last)`, which share the `depth` bytes that lead to `node`.
  struct Subtree {
    Trie::Node node;
    size_t depth, first, last;
  };

  void place_children(Subtree subtree, std::vector<Subtree>& waiting) {
    end_keys(subtree);
    if (subtree.first == subtree.last) return;
    const size_t before = waiting.size();
    bytes_.clear();
    for (size_t i = subtree.first; i != subtree.last;) {
      const size_t next = end_of_byte(subtree, i);
      bytes_.push_back(byte_at(i, subtree.depth));
      waiting.push_back({0, subtree.depth + 1, i, next});
      i = next;
    }
    const uint32_t base = free_base();
    trie_.nodes_[subtree.node].base = base;
    for (size_t i = 0; i < bytes_.size(); ++i) {
      const Trie::Node child = base + bytes_[i];
      trie_.nodes_[child].parent_and_end = subtree.node << 1;
      waiting[before + i].node = child;
    }
  }

  /// Takes the keys that end at this node off the subtree; sorted, they come first.
  void end_keys(Subtree& subtree) {
    const size_t first = subtree.first;
    while (subtree.first != subtree.last && entries_[subtree.first].first.size() == subtree.depth) {
      ++subtree.first;
    }
    if (subtree.first == first || subtree.node == Trie::kRoot) return;
    trie_.nodes_[subtree.node].parent_and_end |= 1;
    trie_.ids_[subtree.node] = entries_[first].second;
  }

  size_t end_of_byte(const Subtree& subtree, size_t i) const {
    const uint8_t byte = byte_at(i, subtree.depth);
    while (i != subtree.last && byte_at(i, subtree.depth) == byte) ++i;
    return i;
  }

  uint8_t byte_at(size_t entry, size_t depth) const {
    return static_cast<uint8_t>(entries_[entry].first[depth]);
  }

  /// A base at which all of `bytes_` are free. The search starts where the array is no longer
  /// nearly full, and goes to its end where it fails for long: a vocabulary can be made so that
  /// most slots are taken and the free ones never fit. So building stays linear.
  uint32_t free_base() {
    constexpr size_t kMostTries = 4096;
    size_t tried = 0, taken = 0;
    for (size_t at = std::max<size_t>(search_from_, size_t{bytes_.front()} + 1);; ++at, ++tried) {
      if (tried == kMostTries) search_from_ = at = trie_.nodes_.size();
      const auto base = static_cast<uint32_t>(at - bytes_.front());
      grow_to(base + kFanOut);
      if (!trie_.nodes_[at].free()) {
        ++taken;
        continue;
      }
      if (!all_free(base)) continue;
      if (taken * 20 >= tried * 19) search_from_ = at;
      highest_base_ = std::max<size_t>(highest_base_, base);
      return base;
    }
  }

  bool all_free(uint32_t base) const {
    return std::all_of(bytes_.begin(), bytes_.end(),
                       [&](uint8_t byte) { return trie_.nodes_[base + byte].free(); });
  }

  void grow_to(size_t size) {
    if (trie_.nodes_.size() >= size) return;
    trie_.nodes_.resize(size);
    trie_.ids_.resize(size, Trie::kNoId);
  }

  const std::vector<Entry>& entries_;
  Trie& trie_;
  std::vector<uint8_t> bytes_;  // of the children being placed, ascending
  size_t search_from_ = 1;
  size_t highest_base_ = 0;
};

Trie::Trie(std::vector<std::pair<std::string_view, int32_t>> entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  TrieBuilder(entries, *this).build();
}

int32_t Trie::find(std::string_view key) const {
  const Node node = node_at(key);
  return node == kNowhere || node == kRoot ? kNoId : ids_[node];
}

Trie::Node Trie::node_at(std::string_view path) const {
  Node node = kRoot;
  for (const char byte : path) {
    node = child(node, byte);
    if (node == kNowhere) return kNowhere;
  }
  return node;
}

}  // namespace bertcnn::text
