#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace cairn {

/**
 * A run of raw bytes from a process-wide recycler. The first touch of fresh memory is slow (page faults), so up to
 * `kIdleBytes` of what was given back is kept for the next taker of a similar size. Not zeroed. Movable; any thread.
 */
class Memory {
 public:
  static constexpr size_t kIdleBytes = 64u << 20;

  Memory() = default;
  /** Room for at least `bytes`. Throws std::bad_alloc. */
  explicit Memory(size_t bytes);
  ~Memory() { release(); }
  Memory(Memory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  Memory& operator=(Memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  uint8_t* data() const { return data_; }
  /** Bytes really set aside: the size asked for, rounded up by at most an eighth (or to 4 KiB). */
  size_t capacity() const { return capacity_; }

 private:
  void release() noexcept;

  uint8_t* data_ = nullptr;
  size_t capacity_ = 0;
};

/** Bytes kept idle by the recycler. */
size_t idleMemoryBytes();

}  // namespace cairn
