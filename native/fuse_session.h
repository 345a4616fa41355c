#pragma once

#include <napi.h>
#include <uv.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "fuse_connection.h"
#include "fuse_notify.h"
#include "fuse_receive.h"
#include "fuse_reply.h"

void initFuseSession(Napi::Env env, Napi::Object exports);

namespace cairn {

/** JavaScript functions a session calls, on its loop thread. All may be absent but the first. */
struct FuseCallbacks {
  napi_ref request = nullptr;      // (opcode, length in bytes, index of the buffer it lies in)
  napi_ref batch = nullptr;        // () after the requests of one wake-up
  napi_ref readFailure = nullptr;  // (descriptor, offset, errno)
  napi_ref end = nullptr;          // (errno), once
};

/**
 * Reads requests of one mount on the event loop of an environment, hands each to JavaScript and sends the answers.
 * Holds no policy: what a request means is decided above. Loop thread only. Ends with `close` or with the environment,
 * whichever comes first; then the mount, if it is still there, is aborted.
 */
class FuseSession : public std::enable_shared_from_this<FuseSession> {
 public:
  FuseSession(napi_env env, int descriptor, size_t maxBody);
  ~FuseSession();
  FuseSession(const FuseSession&) = delete;
  FuseSession& operator=(const FuseSession&) = delete;

  /** Begins, and stays alive until `close`. Throws SystemError where the descriptor cannot be watched. */
  void start(const FuseCallbacks& callbacks);

  /** Sends the payload that lies in the reply buffer, or an errno. @return as FuseConnection::reply. Throws std::logic_error for a request that does not wait for an answer. */
  bool reply(uint64_t unique, int error, size_t payload);

  /** Answers with what `pieces` holds, from this thread or, where files must be read, from the pool; then true. */
  bool replyRead(uint64_t unique);

  ReadReply& pieces() { return pieces_; }
  RequestBuffers& buffers() { return buffers_; }
  FuseNotifier& notifier() { return notifier_; }
  const std::shared_ptr<RequestBuffer>& replyBuffer() const { return replyBuffer_; }

  /** Length of the request being handled; 0 outside the call. */
  size_t currentLength() const { return currentLength_; }

  uint64_t requests() const { return requests_; }
  uint64_t forgets() const { return forgets_; }
  size_t unanswered() const { return unanswered_.size(); }
  const FuseCounts& counts() const { return *counts_; }

  /** Reads no requests until `resume`; the kernel keeps them. Both idempotent. */
  void pause();
  void resume();

  /** Stops, for good. Idempotent. */
  void close();

 private:
  /** Failures of pool threads on their way to the loop. */
  struct Failures {
    std::mutex mutex;
    std::vector<FileReadFailure> list;
    uv_async_t* wake = nullptr;  // null once closed
    void add(const FileReadFailure& failure);
  };
  class CallbackScope;

  void watch();
  void receive();
  bool receiveOne();
  void deliver(size_t length);
  void refuse(size_t length, int error);
  void end(int error);
  void claim(uint64_t unique);
  bool call(napi_ref function, size_t count, const double* numbers);
  void reportFailures();
  void unblockNotifier();
  void handleClosed();

  napi_env env_;
  std::shared_ptr<FuseConnection> connection_;  // null once closed
  std::shared_ptr<const FuseCounts> counts_;
  RequestBuffers buffers_;
  std::shared_ptr<RequestBuffer> replyBuffer_;
  std::vector<iovec> replyParts_;
  ReadReply pieces_;
  FuseNotifier notifier_;
  std::shared_ptr<Failures> failures_ = std::make_shared<Failures>();

  FuseCallbacks callbacks_;
  napi_async_context context_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  uv_poll_t poll_;
  uv_async_t wake_;
  int openHandles_ = 0;
  bool closed_ = false;
  bool ended_ = false;
  bool paused_ = false;
  std::shared_ptr<FuseSession> self_;  // while handles are open

  size_t currentLength_ = 0;
  uint64_t current_ = 0;        // unique of the request being handled, while it is not answered
  std::unordered_set<uint64_t> unanswered_;  // of requests whose call has returned
  uint64_t requests_ = 0;
  uint64_t forgets_ = 0;
};

}  // namespace cairn
