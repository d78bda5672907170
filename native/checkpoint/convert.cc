#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "checkpoint/checkpoint.h"
#include "checkpoint/describe.h"
#include "checkpoint/file_view.h"
#include "checkpoint/strided.h"
#include "error.h"

namespace bertcnn::checkpoint {
namespace {

float widen_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

/// float16 has 5 bits of exponent (bias 15) and 10 of mantissa, float32 has 8 (bias 127) and 23.
float widen_float16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFFU) << 13;
  // A subnormal is mantissa * 2^-24. Placed in the mantissa of 2^-14 and with 2^-14 taken off again
  // it is that, exactly, and at no point a float32 subnormal, which a processor may be told to
  // flush.
  const uint32_t smallest_normal = 113U << 23;
  const uint32_t subnormal = std::bit_cast<uint32_t>(
      std::bit_cast<float>(magnitude + smallest_normal) - std::bit_cast<float>(smallest_normal));
  const uint32_t normal = magnitude + (112U << 23);
  const uint32_t infinite_or_nan = magnitude | (255U << 23);
  uint32_t result = magnitude < (1U << 23) ? subnormal : normal;
  result = magnitude >= (31U << 23) ? infinite_or_nan : result;
  return std::bit_cast<float>(sign | result);
}

float round_float64(double number) {
  return static_cast<float>(number);
}

/// Elements of a tensor, from one on.
struct Range {
  const Tensor& tensor;
  size_t first;
  size_t count;

  size_t begin() const { return first * size_of(tensor.dtype); }
  size_t size() const { return count * size_of(tensor.dtype); }
};

/// Hands `use` the bytes in pieces of whole elements. Those of a file are read, not looked at where
/// they are mapped: should somebody cut the file short, that is an error and not the process's end.
template <typename Use>
void for_each_piece(const Range& range, Use&& use) {
  const Tensor& tensor = range.tensor;
  if (tensor.file == nullptr) {
    use(tensor.bytes.subspan(range.begin(), range.size()));
    return;
  }
  constexpr size_t longest_piece = size_t{256} << 10;  // stays in a core's cache
  const size_t length = std::min(longest_piece, range.size());
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(length);
  for (size_t done = 0; done < range.size();) {
    const std::span piece(buffer.get(), std::min(length, range.size() - done));
    read_at(*tensor.file, tensor.offset + range.begin() + done, piece);
    use(std::span<const std::byte>(piece));
    done += piece.size();
  }
}

/// Converts `count` elements, which may not be aligned.
using Convert = void (*)(const std::byte* from, size_t count, float* to);

template <typename Stored, float (*convert)(Stored)>
void convert_each(const std::byte* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, from + i * sizeof(Stored), sizeof(Stored));
    to[i] = convert(stored);
  }
}

#ifdef __x86_64__
/// As the function above, eight at a time by an instruction that most processors have.
[[gnu::target("avx,f16c")]] void widen_float16_by_f16c(const std::byte* from, size_t count,
                                                       float* to) {
  constexpr size_t width = 8;
  const size_t whole = count / width * width;
  for (size_t i = 0; i < whole; i += width) {
    const auto* const halves = reinterpret_cast<const __m128i*>(from + i * sizeof(uint16_t));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(halves)));
  }
  convert_each<uint16_t, widen_float16>(from + whole * sizeof(uint16_t), count - whole, to + whole);
}

bool has_f16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  // AVX is asked for as well, since that tells whether the system saves its registers.
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0 &&
         __builtin_cpu_supports("avx");
}
#endif

Convert find_float16_conversion() {
#ifdef __x86_64__
  if (has_f16c()) {
    return widen_float16_by_f16c;
  }
#endif
  return convert_each<uint16_t, widen_float16>;
}

void copy_float32(const std::byte* from, size_t count, float* to) {
  std::memcpy(to, from, count * sizeof(float));
}

/// For a floating-point type.
Convert conversion_of(DType dtype) {
  static const Convert float16 = find_float16_conversion();
  switch (dtype) {
    case DType::float16:
      return float16;
    case DType::bfloat16:
      return convert_each<uint16_t, widen_bfloat16>;
    case DType::float64:
      return convert_each<double, round_float64>;
    default:
      return copy_float32;
  }
}

void convert_all(const Range& range, Convert convert, float* out) {
  for_each_piece(range, [&](std::span<const std::byte> bytes) {
    const size_t count = bytes.size() / size_of(range.tensor.dtype);
    convert(bytes.data(), count, out);
    out += count;
  });
}

void copy_all(const Range& range, float* out) {
  const Tensor& tensor = range.tensor;
  if (tensor.file != nullptr) {
    read_at(*tensor.file, tensor.offset + range.begin(),
            std::as_writable_bytes(std::span(out, range.count)));
  } else if (range.count > 0) {
    std::memcpy(out, tensor.bytes.data() + range.begin(), range.size());
  }
}

void require_floating_point(const Tensor& tensor) {
  if (!is_floating_point(tensor.dtype)) {
    fail("ERR_CHECKPOINT_MISMATCH", "the tensor ", quoted(tensor.name), " is ",
         name_of(tensor.dtype), ", where a floating-point type is needed");
  }
}

/// The bytes of a tensor, those of a file read a part at a time, as for_each_piece does.
class Window {
 public:
  static constexpr size_t longest = size_t{256} << 10;

  explicit Window(const Tensor& tensor) : tensor_(tensor) {
    if (tensor.file != nullptr) {
      buffer_ = std::make_unique_for_overwrite<std::byte[]>(longest);
    }
  }

  /// `length` bytes, no more than `longest`, until the next call. Cheap where calls go forward.
  const std::byte* at(size_t begin, size_t length) {
    if (tensor_.file == nullptr) {
      return tensor_.bytes.data() + begin;
    }
    if (begin < begin_ || begin + length > end_) {
      begin_ = begin;
      end_ = std::min(begin + longest, tensor_.bytes.size());
      read_at(*tensor_.file, tensor_.offset + begin, {buffer_.get(), end_ - begin});
    }
    return buffer_.get() + (begin - begin_);
  }

 private:
  const Tensor& tensor_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

/// In the order in which the elements lie in the file, so that each of its parts is read once.
void copy_strided(const Tensor& tensor, float* out) {
  constexpr int64_t most = 512;
  const size_t size = size_of(tensor.dtype);
  const Convert convert = conversion_of(tensor.dtype);
  Window window(tensor);
  std::array<std::byte, most * sizeof(double)> packed{};
  std::array<float, most> values{};
  for_each_run(tensor.shape, tensor.stride, most, static_cast<int64_t>(Window::longest / size),
               [&](const Run& run) {
                 const auto reach = static_cast<size_t>((run.count - 1) * run.from_step + 1);
                 const std::byte* const from =
                     window.at(static_cast<size_t>(run.from) * size, reach * size);
                 pack(from, run.from_step, run.count, size, packed.data());
                 convert(packed.data(), static_cast<size_t>(run.count), values.data());
                 for (int64_t i = 0; i < run.count; ++i) {
                   out[run.to + i * run.to_step] = values[static_cast<size_t>(i)];
                 }
               });
}

/// A strided tensor is copied as a whole.
void copy_range(const Range& range, float* out) {
  if (!range.tensor.stride.empty()) {
    copy_strided(range.tensor, out);
  } else if (range.tensor.dtype == DType::float32) {
    copy_all(range, out);
  } else {
    convert_all(range, conversion_of(range.tensor.dtype), out);
  }
}

/// Copies piece after piece, as one of several threads.
class Copier {
 public:
  explicit Copier(std::span<const Copy> copies) {
    constexpr size_t longest_piece = size_t{1} << 20;  // elements
    for (const Copy& copy : copies) {
      require_floating_point(*copy.from);
      const auto elements = static_cast<size_t>(copy.from->numel());
      const size_t longest = copy.from->stride.empty() ? longest_piece : elements;
      for (size_t first = 0; first < elements; first += longest) {
        const size_t count = std::min(longest, elements - first);
        pieces_.push_back({{*copy.from, first, count}, copy.to + first});
      }
    }
  }

  size_t pieces() const { return pieces_.size(); }

  /// Works until nothing is left, another thread failed, or `cancelled` says so.
  void work(const std::function<bool()>& cancelled) {
    try {
      while (!stopped_) {
        const size_t i = next_++;
        if (i >= pieces_.size()) {
          return;
        }
        if (cancelled && cancelled()) {
          fail("ERR_CANCELLED", "Loading was cancelled.");
        }
        copy_range(pieces_[i].range, pieces_[i].to);
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = failure_ ? failure_ : std::current_exception();
      stopped_ = true;
    }
  }

  void rethrow() const {
    if (failure_) {
      std::rethrow_exception(failure_);
    }
  }

 private:
  struct Piece {
    Range range;
    float* to;
  };

  std::vector<Piece> pieces_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

TensorBytes::TensorBytes(const Tensor& tensor) : bytes_(tensor.bytes) {
  if (tensor.file == nullptr) {
    return;
  }
  read_ = std::make_unique_for_overwrite<std::byte[]>(bytes_.size());
  const std::span to(read_.get(), bytes_.size());
  read_at(*tensor.file, tensor.offset, to);
  bytes_ = to;
}

void copy_as_float32(const Tensor& tensor, float* out) {
  require_floating_point(tensor);
  copy_range({tensor, 0, static_cast<size_t>(tensor.numel())}, out);
}

void copy_as_float32(std::span<const Copy> copies, size_t threads,
                     const std::function<bool()>& cancelled) {
  Copier copier(copies);
  std::vector<std::thread> others;
  try {
    while (others.size() + 1 < std::min(threads, copier.pieces())) {
      others.emplace_back([&copier] { copier.work({}); });
    }
  } catch (const std::exception&) {
    // There is no room for more threads: those that there are do it.
  }
  copier.work(cancelled);
  for (std::thread& other : others) {
    other.join();
  }
  copier.rethrow();
}

}  // namespace bertcnn::checkpoint
