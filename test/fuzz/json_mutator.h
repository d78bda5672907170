// Changes a JSON text into another one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "error.h"
#include "json.h"

/// libFuzzer's own changes, which know bytes only.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace bertcnn::fuzz {

class JsonMutator {
 public:
  explicit JsonMutator(unsigned seed) : random_(seed) {}

  /// A number from 0 on, below `end`.
  size_t below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }

  void mutate(json::Value& root) {
    std::vector<json::Value*> all;
    collect(root, all);
    json::Value& value = *all[below(all.size())];
    switch (below(4)) {
      case 0:
        value = special_value();
        break;
      case 1:
        value = json::Value(*all[below(all.size())]);
        break;
      case 2:
        change_number(value);
        break;
      default:
        change_members(value);
    }
  }

 private:
  static void collect(json::Value& value, std::vector<json::Value*>& all) {
    all.push_back(&value);
    if (value.is_array()) {
      for (json::Value& element : value.as_array()) {
        collect(element, all);
      }
    } else if (value.is_object()) {
      for (auto& [name, member] : value.as_object()) {
        collect(member, all);
      }
    }
  }

  json::Value special_value() {
    static const auto* const values = new std::vector<json::Value>{nullptr,
                                                                   true,
                                                                   false,
                                                                   0,
                                                                   1,
                                                                   -1,
                                                                   2,
                                                                   INT32_MAX,
                                                                   int64_t{INT32_MAX} + 1,
                                                                   INT64_MAX,
                                                                   INT64_MIN,
                                                                   0.5,
                                                                   -0.5,
                                                                   1e300,
                                                                   std::nan(""),
                                                                   HUGE_VAL,
                                                                   "",
                                                                   "0",
                                                                   json::Array{},
                                                                   json::Object{}};
    return (*values)[below(values->size())];
  }

  void change_number(json::Value& value) {
    if (!value.is_integer()) {
      return;
    }
    const auto number = static_cast<uint64_t>(value.as_integer());
    const uint64_t changed[] = {number + 1, number - 1, number * 2, number / 2, 0 - number};
    value = static_cast<int64_t>(changed[below(std::size(changed))]);
  }

  /// Takes one off, doubles it, or swaps two.
  template <typename Members>
  void change_list(Members& members) {
    if (members.empty()) {
      return;
    }
    const auto chosen = members.begin() + static_cast<std::ptrdiff_t>(below(members.size()));
    switch (below(3)) {
      case 0:
        members.erase(chosen);
        break;
      case 1:
        members.push_back(typename Members::value_type(*chosen));
        break;
      default:
        std::swap(*chosen, members[below(members.size())]);
    }
  }

  void change_members(json::Value& value) {
    if (value.is_array()) {
      change_list(value.as_array());
    } else if (value.is_object()) {
      change_list(value.as_object());
    }
  }

  std::minstd_rand random_;
};

/// As LLVMFuzzerCustomMutator. One time in four, and where the text is no JSON, bytes are changed.
inline size_t mutate_json(uint8_t* data, size_t size, size_t most, unsigned seed) {
  JsonMutator mutator(seed);
  if (mutator.below(4) > 0) {
    try {
      json::Value value = json::parse({reinterpret_cast<const char*>(data), size}, "input");
      mutator.mutate(value);
      const std::string text = json::write(value, 0);
      if (text.size() <= most) {
        std::memcpy(data, text.data(), text.size());
        return text.size();
      }
    } catch (const Error&) {
      // Below.
    }
  }
  return LLVMFuzzerMutate(data, size, most);
}

}  // namespace bertcnn::fuzz
