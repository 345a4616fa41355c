#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "memory.h"

namespace cairn {

/** Room for one request, page-aligned. Shared with JS, which looks into it while the request is handled. */
class RequestBuffer {
 public:
  /** @param index its number, from 0, in the session. Throws std::bad_alloc. */
  RequestBuffer(size_t bytes, size_t index);
  ~RequestBuffer();
  RequestBuffer(const RequestBuffer&) = delete;
  RequestBuffer& operator=(const RequestBuffer&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return bytes_; }
  size_t index() const { return index_; }
  const fuse_in_header& header() const { return *reinterpret_cast<const fuse_in_header*>(data_); }

  /** Gives the memory back to the system but keeps the addresses. */
  void releasePages() const;

 private:
  uint8_t* data_;
  const size_t bytes_;
  const size_t index_;
};

/**
 * The buffers requests are received in: one in use, others idle, and the bodies of WRITE requests that outlive their
 * call. Buffers are never given up (JS has views of them); all but a few idle ones hold no memory. Loop thread only.
 */
class RequestBuffers {
 public:
  /** @param maxBody the negotiated max_write: buffers hold that and the largest headers */
  explicit RequestBuffers(size_t maxBody);

  const std::shared_ptr<RequestBuffer>& current() const { return current_; }

  /** The bytes of the WRITE request in the current buffer, `length` bytes in all; empty where that is not a well-formed WRITE. */
  std::span<const uint8_t> body(size_t length) const;

  /** Makes the current request's body outlive its call, under its unique number. */
  void keep(size_t length);

  /** A kept body; empty where there is none. */
  std::span<const uint8_t> kept(uint64_t unique) const;

  void discard(uint64_t unique);

  size_t keptCount() const { return kept_.size(); }

 private:
  struct KeptBody {
    std::shared_ptr<RequestBuffer> buffer;  // or, for small bodies, a copy
    Memory copy;
    std::span<const uint8_t> bytes;
  };

  std::shared_ptr<RequestBuffer> take();

  const size_t bytes_;
  size_t made_ = 0;
  std::vector<std::shared_ptr<RequestBuffer>> idle_;  // those without memory first
  std::unordered_map<uint64_t, KeptBody> kept_;
  std::shared_ptr<RequestBuffer> current_;
};

}  // namespace cairn
