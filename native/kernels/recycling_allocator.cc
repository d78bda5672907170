#include "kernels/recycling_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstdint>
#include <map>
#include <mutex>

namespace bertcnn::kernels {
namespace {

constexpr size_t kSmallest = size_t{256} << 10;
constexpr size_t kLargest = size_t{48} << 20;
constexpr size_t kMostKept = size_t{128} << 20;
constexpr size_t kUnit = size_t{64} << 10;

/// What lies before a block's data. As large as libtorch aligns to.
struct alignas(64) Header {
  size_t size;  // of the data
};

class RecyclingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    void* data = size == 0 ? nullptr : take(size);
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }

  void release() {
    const std::scoped_lock lock(mutex_);
    for (const auto& [size, header] : kept_) c10::free_cpu(header);
    kept_.clear();
    kept_bytes_ = 0;
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
    if (size >= kSmallest) size = (size + kUnit - 1) / kUnit * kUnit;
    Header* header = size >= kSmallest ? take_kept(size) : nullptr;
    if (header == nullptr) {
      header = static_cast<Header*>(c10::alloc_cpu(sizeof(Header) + size));
      header->size = size;
    }
    return header + 1;
  }

  /// A kept block of this size, or up to a quarter larger.
  Header* take_kept(size_t size) {
    const std::scoped_lock lock(mutex_);
    const auto found = kept_.lower_bound(size);
    if (found == kept_.end() || found->first > size + size / 4) return nullptr;
    Header* header = found->second;
    kept_bytes_ -= found->first;
    kept_.erase(found);
    return header;
  }

  static void give_back(void* data) {
    if (data == nullptr) return;
    Header* header = static_cast<Header*>(data) - 1;
    if (!instance().keep(header)) c10::free_cpu(header);
  }

  bool keep(Header* header) {
    if (header->size < kSmallest || header->size > kLargest) return false;
    const std::scoped_lock lock(mutex_);
    if (kept_bytes_ + header->size > kMostKept) return false;
    kept_bytes_ += header->size;
    kept_.emplace(header->size, header);
    return true;
  }

  std::mutex mutex_;
  std::multimap<size_t, Header*> kept_;  // by size
  size_t kept_bytes_ = 0;
};

}  // namespace

void install_recycling_allocator() {
  static std::once_flag once;
  std::call_once(once, [] { c10::SetCPUAllocator(&RecyclingAllocator::instance()); });
}

void release_recycled_memory() {
  RecyclingAllocator::instance().release();
}

size_t recycled_bytes() {
  return RecyclingAllocator::instance().kept_bytes();
}

}  // namespace bertcnn::kernels
