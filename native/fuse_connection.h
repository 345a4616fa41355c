#pragma once

#include <linux/fuse.h>
#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace cairn {

/** What a connection has sent; outlives it. */
struct FuseCounts {
  /** Requests answered, each counted once. */
  std::atomic<uint64_t> replies{0};
  /** Answers the kernel called malformed: always a defect of this program. */
  std::atomic<uint64_t> refused{0};
};

/**
 * The open /dev/fuse descriptor of one mount; closed, once, with the last owner. Closing it while mounted aborts the
 * mount: whoever waits for an answer gets an error. Every method from any thread.
 */
class FuseConnection {
 public:
  explicit FuseConnection(int descriptor) : descriptor_(descriptor) {}
  ~FuseConnection();
  FuseConnection(const FuseConnection&) = delete;
  FuseConnection& operator=(const FuseConnection&) = delete;

  int descriptor() const { return descriptor_; }

  /**
   * Answers a request with `parts[1..]` as payload; `parts[0]` is the caller's room for the header and is filled in
   * here. The request is answered whatever this returns.
   * @return whether the kernel took the answer as it is; false where the request was aborted, or where the kernel
   *     refused it and got EIO instead
   */
  bool reply(uint64_t unique, std::vector<iovec>& parts);

  /** Answers with an errno (0: an empty success). As above. */
  bool replyError(uint64_t unique, int error);

  /** Sends a notification (FUSE_NOTIFY_*) of two parts. Returns 0 or the errno. May block on the kernel's folder and page locks. */
  int notify(fuse_notify_code code, iovec first, iovec second);

  std::shared_ptr<const FuseCounts> counts() const { return counts_; }

 private:
  int send(const iovec* parts, size_t count);

  const int descriptor_;
  const std::shared_ptr<FuseCounts> counts_ = std::make_shared<FuseCounts>();
};

}  // namespace cairn
