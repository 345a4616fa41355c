#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

namespace cairn {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMapped = 128u << 10;  // from here on blocks come straight from mmap
constexpr size_t kStepsPerDoubling = 8;

/** Sizes are pages, or above eight pages multiples of an eighth of the power of two below: at most 12.5 % too much. */
size_t capacityFor(size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  const size_t step = std::max(kPage, std::bit_floor(bytes | 1) / kStepsPerDoubling);
  return std::max(kPage, (bytes + step - 1) / step * step);
}

size_t classOf(size_t capacity) {
  const size_t floor = std::bit_floor(capacity);
  const size_t doublings = static_cast<size_t>(std::countr_zero(floor));
  return doublings * kStepsPerDoubling + (capacity - floor) / (floor / kStepsPerDoubling);
}

uint8_t* obtain(size_t capacity) {
  if (capacity < kMapped) {
    void* data = std::malloc(capacity);
    if (data == nullptr) throw std::bad_alloc();
    return static_cast<uint8_t*>(data);
  }
  void* data = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  return static_cast<uint8_t*>(data);
}

void giveUp(uint8_t* data, size_t capacity) {
  if (capacity < kMapped) {
    std::free(data);
  } else {
    munmap(data, capacity);
  }
}

/** An idle block's own first bytes: its places in the list of all idle blocks and in the one of its size. */
struct Idle {
  Idle* older;
  Idle* newer;
  Idle* olderOfSize;
  Idle* newerOfSize;
  size_t capacity;
};

class Recycler {
 public:
  /** Never destroyed: threads outlive the process's destructors. */
  static Recycler& instance() {
    static Recycler* recycler = new Recycler;
    return *recycler;
  }

  uint8_t* take(size_t capacity) {
    std::lock_guard lock(mutex_);
    Idle* idle = newestOfSize_[classOf(capacity)];
    if (idle == nullptr) return nullptr;
    unlink(idle);
    return reinterpret_cast<uint8_t*>(idle);
  }

  /** Keeps the block; what then is too much is given up, oldest first, without the lock held. */
  void put(uint8_t* data, size_t capacity) {
    if (capacity > Memory::kIdleBytes / 4) return giveUp(data, capacity);
    Idle* surplus = nullptr;
    {
      std::lock_guard lock(mutex_);
      link(reinterpret_cast<Idle*>(data), capacity);
      while (bytes_ > Memory::kIdleBytes) {
        Idle* idle = oldest_;
        unlink(idle);
        idle->newer = surplus;
        surplus = idle;
      }
    }
    while (surplus != nullptr) {
      Idle* next = surplus->newer;
      giveUp(reinterpret_cast<uint8_t*>(surplus), surplus->capacity);
      surplus = next;
    }
  }

  size_t bytes() {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  void link(Idle* idle, size_t capacity) {
    Idle*& newestOfSize = newestOfSize_[classOf(capacity)];
    *idle = {newest_, nullptr, newestOfSize, nullptr, capacity};
    if (newest_ != nullptr) newest_->newer = idle;
    if (newestOfSize != nullptr) newestOfSize->newerOfSize = idle;
    newest_ = newestOfSize = idle;
    if (oldest_ == nullptr) oldest_ = idle;
    bytes_ += capacity;
  }

  void unlink(Idle* idle) {
    (idle->newer != nullptr ? idle->newer->older : newest_) = idle->older;
    (idle->older != nullptr ? idle->older->newer : oldest_) = idle->newer;
    (idle->newerOfSize != nullptr ? idle->newerOfSize->olderOfSize : newestOfSize_[classOf(idle->capacity)]) =
        idle->olderOfSize;
    if (idle->olderOfSize != nullptr) idle->olderOfSize->newerOfSize = idle->newerOfSize;
    bytes_ -= idle->capacity;
  }

  std::mutex mutex_;
  Idle* newest_ = nullptr;
  Idle* oldest_ = nullptr;
  std::array<Idle*, 64 * kStepsPerDoubling> newestOfSize_{};
  size_t bytes_ = 0;
};

}  // namespace

Memory::Memory(size_t bytes) : capacity_(capacityFor(bytes)) {
  data_ = Recycler::instance().take(capacity_);
  if (data_ == nullptr) data_ = obtain(capacity_);
}

void Memory::release() noexcept {
  if (data_ != nullptr) Recycler::instance().put(data_, capacity_);
  data_ = nullptr;
  capacity_ = 0;
}

size_t idleMemoryBytes() { return Recycler::instance().bytes(); }

}  // namespace cairn
