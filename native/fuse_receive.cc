#include "fuse_receive.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace cairn {

namespace {

// The kernel insists on room for max_write and the headers of a WRITE; names and xattrs fit in 128 KiB beside that.
constexpr size_t kHeaderRoom = 4096;
constexpr size_t kSmallestBuffer = 132 * 1024;
// A kept body up to this size is copied rather than keeping a whole buffer for it.
constexpr size_t kCopyBytes = 64 * 1024;
constexpr size_t kIdleBuffers = 8;  // with memory

}  // namespace

RequestBuffer::RequestBuffer(size_t bytes, size_t index) : bytes_(bytes), index_(index) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<uint8_t*>(memory);
}

RequestBuffer::~RequestBuffer() { munmap(data_, bytes_); }

void RequestBuffer::releasePages() const { madvise(data_, bytes_, MADV_DONTNEED); }

RequestBuffers::RequestBuffers(size_t maxBody)
    : bytes_(std::max(maxBody + kHeaderRoom, kSmallestBuffer)), current_(take()) {}

std::span<const uint8_t> RequestBuffers::body(size_t length) const {
  constexpr size_t start = sizeof(fuse_in_header) + sizeof(fuse_write_in);
  if (length < start || current_->header().opcode != FUSE_WRITE) return {};
  const auto& write = *reinterpret_cast<const fuse_write_in*>(current_->data() + sizeof(fuse_in_header));
  if (write.size != length - start) return {};
  return {current_->data() + start, write.size};
}

void RequestBuffers::keep(size_t length) {
  const std::span<const uint8_t> bytes = body(length);
  const uint64_t unique = current_->header().unique;
  KeptBody kept;
  if (bytes.size() <= kCopyBytes) {
    kept.copy = Memory(std::max<size_t>(bytes.size(), 1));
    if (!bytes.empty()) std::memcpy(kept.copy.data(), bytes.data(), bytes.size());
    kept.bytes = {kept.copy.data(), bytes.size()};
  } else {
    kept.buffer = std::exchange(current_, take());
    kept.bytes = bytes;
  }
  kept_.insert_or_assign(unique, std::move(kept));
}

std::span<const uint8_t> RequestBuffers::kept(uint64_t unique) const {
  const auto found = kept_.find(unique);
  return found == kept_.end() ? std::span<const uint8_t>{} : found->second.bytes;
}

void RequestBuffers::discard(uint64_t unique) {
  const auto found = kept_.find(unique);
  if (found == kept_.end()) return;
  if (found->second.buffer != nullptr) {
    if (idle_.size() < kIdleBuffers) {
      idle_.push_back(std::move(found->second.buffer));
    } else {
      found->second.buffer->releasePages();
      idle_.insert(idle_.begin(), std::move(found->second.buffer));
    }
  }
  kept_.erase(found);
}

std::shared_ptr<RequestBuffer> RequestBuffers::take() {
  if (idle_.empty()) {
    auto buffer = std::make_shared<RequestBuffer>(bytes_, made_);
    made_++;
    return buffer;
  }
  std::shared_ptr<RequestBuffer> buffer = std::move(idle_.back());
  idle_.pop_back();
  return buffer;
}

}  // namespace cairn
