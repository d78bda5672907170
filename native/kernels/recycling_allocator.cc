#include "kernels/recycling_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <mutex>
#include <new>
#include <vector>

#include "fault_point.h"

namespace bertcnn::kernels {
namespace {

constexpr size_t kSmallest = size_t{256} << 10;
constexpr size_t kLargest = size_t{48} << 20;
constexpr size_t kMostKept = size_t{128} << 20;

/// What lies before a block's data. As large as libtorch aligns to.
struct alignas(64) Header {
  size_t size;  // of the data
};

/// A little larger, so that batches of about as many tokens need blocks of the same sizes.
size_t rounded(size_t size) {
  const size_t unit = std::bit_floor(size) / 8;
  return (size + unit - 1) / unit * unit;
}

/// Large blocks come from the system itself, small ones from the C library: that would keep large
/// ones, too, in between what is still used, and never give them back.
Header* new_block(size_t size) {
  void* block = nullptr;
  if (size < kSmallest) {
    block = c10::alloc_cpu(sizeof(Header) + size);
  } else {
    block = ::mmap(nullptr, sizeof(Header) + size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK_WITH(OutOfMemoryError, block != MAP_FAILED, "can't allocate memory: ", size,
                     " bytes were asked for");
  }
  auto* header = static_cast<Header*>(block);
  header->size = size;
  return header;
}

void free_block(Header* header) {
  if (header->size < kSmallest) {
    c10::free_cpu(header);
  } else {
    ::munmap(header, sizeof(Header) + header->size);
  }
}

class RecyclingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    if (size != 0) fault_point("tensor");
    void* data = size == 0 ? nullptr : take(size);
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }

  void release() {
    const std::scoped_lock lock(mutex_);
    for (Header* header : kept_) free_block(header);
    kept_.clear();
    kept_bytes_ = 0;
  }

  void hold(double share_on_top) {
    const std::scoped_lock lock(mutex_);
    if (holders_ == 0) {
      most_used_ = used_bytes_;
      share_on_top_ = 0;
    }
    share_on_top_ = std::max(share_on_top_, share_on_top);
    ++holders_;
  }

  void let_go() {
    const std::scoped_lock lock(mutex_);
    --holders_;
    if (holders_ == 0) {
      std::erase_if(kept_, [this](Header* header) {
        if (header->size <= kLargest) return false;
        kept_bytes_ -= header->size;
        free_block(header);
        return true;
      });
      drop_oldest(kMostKept);
    }
  }

  size_t kept_bytes() {
    const std::scoped_lock lock(mutex_);
    return kept_bytes_;
  }

  /// Never destroyed: tensors may outlive whatever is destroyed when the process ends.
  static RecyclingAllocator& instance() {
    static auto* const allocator = new RecyclingAllocator();
    return *allocator;
  }

 private:
  void* take(size_t size) {
    if (size < kSmallest) return new_block(size) + 1;
    size = rounded(size);
    Header* header = take_kept(size);
    if (header != nullptr) return header + 1;
    header = new_block(size);  // pages are not there before they are written to
    const std::scoped_lock lock(mutex_);
    count_used(header);
    return header + 1;
  }

  void count_used(const Header* header) {
    used_bytes_ += header->size;
    most_used_ = std::max(most_used_, used_bytes_);
    drop_oldest(most_kept());
  }

  /// Held, the process has at most as much as was in use at once, and a share.
  size_t most_kept() const {
    if (holders_ == 0) return kMostKept;
    const auto most = static_cast<size_t>(static_cast<double>(most_used_) * (1 + share_on_top_));
    return most - used_bytes_;
  }

  /// Of the kept blocks of this size, or up to a quarter larger, the last one that was in use: it
  /// may still be in the processor's cache.
  Header* take_kept(size_t size) {
    const std::scoped_lock lock(mutex_);
    const auto found = std::find_if(kept_.rbegin(), kept_.rend(), [size](const Header* header) {
      return header->size >= size && header->size <= size + size / 4;
    });
    if (found == kept_.rend()) return nullptr;
    Header* header = *found;
    kept_.erase(std::next(found).base());
    kept_bytes_ -= header->size;
    count_used(header);
    return header;
  }

  static void give_back(void* data) {
    if (data == nullptr) return;
    Header* header = static_cast<Header*>(data) - 1;
    if (header->size < kSmallest) {
      free_block(header);
    } else {
      instance().keep(header);
    }
  }

  void keep(Header* header) {
    const std::scoped_lock lock(mutex_);
    used_bytes_ -= header->size;
    if (holders_ == 0 && header->size > kLargest) return free_block(header);
    try {
      kept_.push_back(header);
    } catch (const std::bad_alloc&) {
      return free_block(header);  // to give memory back must not take any
    }
    kept_bytes_ += header->size;
    drop_oldest(most_kept());
  }

  /// What has not been used for longest goes where there is too much.
  void drop_oldest(size_t most) {
    auto end = kept_.begin();
    for (; kept_bytes_ > most; ++end) {
      kept_bytes_ -= (*end)->size;
      free_block(*end);
    }
    kept_.erase(kept_.begin(), end);
  }

  std::mutex mutex_;
  std::vector<Header*> kept_;  // the last one given back is the last
  size_t kept_bytes_ = 0;
  size_t used_bytes_ = 0;  // in blocks that are not small
  size_t most_used_ = 0;   // since the first holder came
  int holders_ = 0;
  double share_on_top_ = 0;
};

}  // namespace

void install_recycling_allocator() {
  static std::once_flag once;
  std::call_once(once, [] { c10::SetCPUAllocator(&RecyclingAllocator::instance()); });
}

HeldMemory::HeldMemory(double share_on_top) {
  RecyclingAllocator::instance().hold(share_on_top);
}

HeldMemory::~HeldMemory() {
  RecyclingAllocator::instance().let_go();
}

void release_recycled_memory() {
  RecyclingAllocator::instance().release();
}

size_t recycled_bytes() {
  return RecyclingAllocator::instance().kept_bytes();
}

}  // namespace bertcnn::kernels
