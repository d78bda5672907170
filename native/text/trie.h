// A double-array trie over bytes: the longest known prefix of a text in one walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace bertcnn::text {

/// Maps byte strings to ids. Two arrays hold all nodes: the child of node n by byte b is at
/// `base[n] + b`, if the node there says that n is its parent (Aoe, 1989). Immutable.
class Trie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNowhere = UINT32_MAX;
  static constexpr int32_t kNoId = -1;

  struct Match {
    int32_t id = kNoId;
    size_t length = 0;
  };

  Trie() : Trie(std::vector<std::pair<std::string_view, int32_t>>{}) {}

  /// Of equal keys the first counts. Empty keys are left out.
  explicit Trie(std::vector<std::pair<std::string_view, int32_t>> entries);

  /// The longest key that `text` starts with, the key being the path to `from` and what follows.
  Match longest_match(std::string_view text, Node from = kRoot) const {
    Match best;
    Node node = from;
    Node ending = kNowhere;
    for (size_t i = 0; i < text.size(); ++i) {
      node = child(node, text[i]);
      if (node == kNowhere) break;
      if (!nodes_[node].ends_key()) continue;
      ending = node;
      best.length = i + 1;
    }
    if (ending != kNowhere) best.id = ids_[ending];
    return best;
  }

  /// The id of exactly `key`, or `kNoId`.
  int32_t find(std::string_view key) const;

  /// The node that `path` leads to, or `kNowhere`.
  Node node_at(std::string_view path) const;

 private:
  struct Slot {
    uint32_t base = 0;
    uint32_t parent_and_end =
        UINT32_MAX;  // the parent's number, times two, plus one where a key ends

    bool free() const { return parent_and_end == UINT32_MAX; }
    Node parent() const { return parent_and_end >> 1; }
    bool ends_key() const { return (parent_and_end & 1) != 0; }
  };

  friend class TrieBuilder;

  Node child(Node node, char byte) const {
    const Node there = nodes_[node].base + static_cast<uint8_t>(byte);
    return nodes_[there].parent() == node ? there : kNowhere;
  }

  std::vector<Slot> nodes_;
  std::vector<int32_t> ids_;  // by node
};

}  // namespace bertcnn::text
