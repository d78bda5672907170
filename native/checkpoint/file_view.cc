#include "checkpoint/file_view.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "checkpoint/describe.h"
#include "error.h"
#include "read_file.h"

namespace bertcnn::checkpoint {
namespace {

uint64_t page_size() {
  static const auto size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

void read_at(const OpenFile& file, uint64_t offset, std::span<std::byte> to) {
  constexpr size_t largest_call = size_t{1} << 30;  // Linux reads no more than 2^31 at once
  while (!to.empty()) {
    const ssize_t count = ::pread(file.descriptor.get(), to.data(),
                                  std::min(to.size(), largest_call), static_cast<off_t>(offset));
    if (count == 0) {
      fail("ERR_IO", "cannot read ", file.path, ": it was cut short meanwhile");
    }
    if (count < 0 && errno != EINTR) {
      fail_io("read", file.path);
    }
    const auto done = static_cast<size_t>(std::max<ssize_t>(count, 0));
    offset += done;
    to = to.subspan(done);
  }
}

FileView::FileView(const std::string& path) : path_(path) {
  RegularFile file = open_regular_file(path);
  if (file.size == 0) {
    return;
  }
  fetched_.resize((file.size + page_size() - 1) / page_size());
  open_ = std::make_shared<const OpenFile>(OpenFile{path, std::move(file.descriptor)});
  // Places alone: memory is taken where something is read to.
  constexpr int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const start = ::mmap(nullptr, file.size, PROT_NONE, kind, -1, 0);
  if (start == MAP_FAILED) {
    open_ = nullptr;
    fail_io("read", path);
  }
  bytes_ = {static_cast<const std::byte*>(start), file.size};
}

FileView::FileView(std::string name, std::span<const std::byte> bytes)
    : path_(std::move(name)), bytes_(bytes) {}

FileView::FileView(FileView&& other) noexcept
    : path_(std::move(other.path_)),
      bytes_(std::exchange(other.bytes_, {})),
      open_(std::move(other.open_)),
      fetched_(std::move(other.fetched_)) {}

FileView& FileView::operator=(FileView&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(open_, other.open_);
  std::swap(fetched_, other.fetched_);
  return *this;
}

std::span<const std::byte> FileView::fetch(uint64_t offset, uint64_t size) const {
  const auto wanted = bytes_.subspan(offset, size);
  if (open_ == nullptr || size == 0) {
    return wanted;
  }
  const uint64_t end = (offset + size - 1) / page_size() + 1;
  for (uint64_t page = offset / page_size(); page < end;) {
    uint64_t last = page;
    while (last < end && !fetched_[last]) {
      ++last;
    }
    if (last > page) {
      read_pages(page, last);
    }
    page = last + 1;
  }
  return wanted;
}

void FileView::read_pages(uint64_t first, uint64_t last) const {
  const uint64_t begin = first * page_size();
  const uint64_t end = std::min<uint64_t>(last * page_size(), bytes_.size());
  auto* const place = const_cast<std::byte*>(bytes_.data()) + begin;
  if (::mprotect(place, end - begin, PROT_READ | PROT_WRITE) != 0) {
    fail_io("read", path_);
  }
  read_at(*open_, begin, {place, end - begin});
  std::fill(fetched_.begin() + static_cast<std::ptrdiff_t>(first),
            fetched_.begin() + static_cast<std::ptrdiff_t>(last), true);
}

void FileView::forget() const {
  if (open_ == nullptr) {
    return;
  }
  // Other pages in the place of these: that gives their memory back for certain.
  constexpr int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  if (::mmap(const_cast<std::byte*>(bytes_.data()), bytes_.size(), PROT_NONE, kind, -1, 0) ==
      MAP_FAILED) {
    return;  // then it stays until the end
  }
  std::fill(fetched_.begin(), fetched_.end(), false);
}

FileView::~FileView() {
  if (open_ != nullptr) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

}  // namespace bertcnn::checkpoint
