// What the fuzzers share: invariants, the only exception that may come, a bound on memory.
#pragma once

#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "error.h"

namespace bertcnn::fuzz {

/// How the file that an input stands for is called in errors.
inline constexpr const char* file_name = "the-file";

/// Ends the process, so that libFuzzer keeps the input, unless `holds`.
inline void require(bool holds, std::string_view invariant) {
  if (!holds) {
    std::fprintf(stderr, "An invariant is broken: %.*s\n", static_cast<int>(invariant.size()),
                 invariant.data());
    std::abort();
  }
}

/// Runs `read`, which reads the input. False where it refused it, as it may: by an Error with one
/// of `codes` that names the file. Every other exception leaves, which ends the process.
template <typename Read>
bool reads(std::initializer_list<std::string_view> codes, Read&& read,
           std::string_view name = file_name) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    require(std::find(codes.begin(), codes.end(), error.code()) != codes.end(),
            "the code is one that this reader throws, not " + error.code() + ": " + error.what());
    require(std::string_view(error.what()).find(name) != std::string_view::npos,
            "the error names the file: " + std::string(error.what()));
    return false;
  }
}

/// While it lives, more than `most` bytes on the heap, beside those that were there before, are a
/// finding. There is one at a time. What a sanitizer needs for its report counts, so leave room.
class MemoryLimit {
 public:
  explicit MemoryLimit(size_t most) {
    [[maybe_unused]] static const int installed =
        __sanitizer_install_malloc_and_free_hooks(allocated, freed);
    most_ = static_cast<int64_t>(most);
    held_ = 0;
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
  ~MemoryLimit() { most_ = INT64_MAX; }

 private:
  static void allocated(const volatile void* /*start*/, size_t size) {
    held_ += static_cast<int64_t>(size);
    if (held_ > most_) {
      const int64_t most = most_.exchange(INT64_MAX);
      std::fprintf(stderr, "%zu more bytes are %lld in all, where %lld are allowed\n", size,
                   static_cast<long long>(held_), static_cast<long long>(most));
      std::abort();
    }
  }
  static void freed(const volatile void* start) {
    if (start != nullptr) {
      held_ -= static_cast<int64_t>(__sanitizer_get_allocated_size(start));
    }
  }

  static inline std::atomic<int64_t> held_ = 0;
  static inline std::atomic<int64_t> most_ = INT64_MAX;
};

inline std::span<const std::byte> bytes_of(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace bertcnn::fuzz
