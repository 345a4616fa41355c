#include "fuse_connection.h"

#include <unistd.h>

#include <cerrno>

namespace cairn {

FuseConnection::~FuseConnection() { close(descriptor_); }

int FuseConnection::send(const iovec* parts, size_t count) {
  for (;;) {
    const ssize_t written = writev(descriptor_, parts, static_cast<int>(count));
    if (written >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

bool FuseConnection::reply(uint64_t unique, std::vector<iovec>& parts) {
  size_t length = sizeof(fuse_out_header);
  for (size_t index = 1; index < parts.size(); index++) length += parts[index].iov_len;
  fuse_out_header header{static_cast<uint32_t>(length), 0, unique};
  parts[0] = {&header, sizeof header};
  counts_->replies.fetch_add(1, std::memory_order_relaxed);
  const int error = send(parts.data(), parts.size());
  if (error == 0) return true;
  if (error != ENOENT && error != ENODEV && error != ENOTCONN) {
    counts_->refused.fetch_add(1, std::memory_order_relaxed);
    // Depending on where the kernel stopped the request still waits; if it does not, this is ENOENT.
    fuse_out_header failure{sizeof failure, -EIO, unique};
    const iovec part{&failure, sizeof failure};
    send(&part, 1);
  }
  return false;
}

bool FuseConnection::replyError(uint64_t unique, int error) {
  fuse_out_header header{sizeof header, -error, unique};
  const iovec part{&header, sizeof header};
  counts_->replies.fetch_add(1, std::memory_order_relaxed);
  return send(&part, 1) == 0;
}

int FuseConnection::notify(fuse_notify_code code, iovec first, iovec second) {
  // A notification is an answer to nothing (unique 0) with the code in the place of the error.
  fuse_out_header header{static_cast<uint32_t>(sizeof header + first.iov_len + second.iov_len), code, 0};
  const iovec parts[3] = {{&header, sizeof header}, first, second};
  return send(parts, second.iov_len == 0 ? 2 : 3);
}

}  // namespace cairn
