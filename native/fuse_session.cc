#include "fuse_session.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <thread>
#include <utility>

#include "errors.h"

namespace cairn {

namespace {

// Requests handled before timers and promises get their turn.
constexpr int kBatch = 64;
// Promises and timers of the thread wait for the end of a batch.
constexpr uint64_t kBatchNanoseconds = 2'000'000;

// How long to look for the next request before waiting for it: who asked for one thing soon asks for the next, and waking
// this thread on a halted CPU takes longer than that. With one CPU the client could not run meanwhile.
uint64_t lingerNanoseconds() {
  static const uint64_t nanoseconds = std::thread::hardware_concurrency() > 1 ? 60'000 : 0;
  return nanoseconds;
}

constexpr size_t kReplyBytes = (1u << 20) + 4096;
// How long closing waits for a notification that is stuck behind a request.
constexpr int kUnblockSteps = 200;
constexpr int kUnblockStepMilliseconds = 10;

bool expectsReply(uint32_t opcode) {
  return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT && opcode != FUSE_NOTIFY_REPLY;
}

void release(napi_env env, napi_ref& reference) {
  if (reference != nullptr) napi_delete_reference(env, reference);
  reference = nullptr;
}

}  // namespace

/** Handles live until its end; then promise reactions and nextTicks run. */
class FuseSession::CallbackScope {
 public:
  explicit CallbackScope(FuseSession& session) : env_(session.env_) {
    if (napi_open_handle_scope(env_, &handles_) != napi_ok) return;
    napi_open_callback_scope(env_, nullptr, session.context_, &callbacks_);
  }
  ~CallbackScope() {
    if (callbacks_ != nullptr) napi_close_callback_scope(env_, callbacks_);
    if (handles_ != nullptr) napi_close_handle_scope(env_, handles_);
  }

 private:
  napi_env env_;
  napi_handle_scope handles_ = nullptr;
  napi_callback_scope callbacks_ = nullptr;
};

void FuseSession::Failures::add(const FileReadFailure& failure) {
  std::lock_guard lock(mutex);
  if (wake == nullptr) return;
  list.push_back(failure);
  uv_async_send(wake);
}

FuseSession::FuseSession(napi_env env, int descriptor, size_t maxBody)
    : env_(env),
      connection_(std::make_shared<FuseConnection>(descriptor)),
      counts_(connection_->counts()),
      buffers_(maxBody),
      replyBuffer_(std::make_shared<RequestBuffer>(kReplyBytes, 0)),
      notifier_(connection_) {
  pieces_.begin();
}

FuseSession::~FuseSession() = default;

void FuseSession::start(const FuseCallbacks& callbacks) {
  if (self_ != nullptr || closed_) throw std::logic_error("This FUSE session was started already");
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env_, &loop);
  const int error = uv_poll_init(loop, &poll_, connection_->descriptor());
  if (error != 0) throw SystemError(-error, "epoll_ctl");
  uv_async_init(loop, &wake_, [](uv_async_t* wake) { static_cast<FuseSession*>(wake->data)->reportFailures(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&wake_));
  openHandles_ = 2;
  self_ = shared_from_this();
  poll_.data = wake_.data = this;
  failures_->wake = &wake_;

  callbacks_ = callbacks;
  napi_value name;
  napi_create_string_utf8(env_, "cairn.fuse", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env_, nullptr, name, &context_);
  napi_add_async_cleanup_hook(
      env_, [](napi_async_cleanup_hook_handle, void* session) { static_cast<FuseSession*>(session)->close(); }, this,
      &cleanup_);
  watch();
}

void FuseSession::watch() {
  uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    // Whatever the status: the read tells what is the matter.
    static_cast<FuseSession*>(poll->data)->receive();
  });
}

void FuseSession::pause() {
  if (self_ == nullptr || closed_ || ended_ || paused_) return;
  paused_ = true;
  uv_poll_stop(&poll_);
}

void FuseSession::resume() {
  if (!std::exchange(paused_, false) || closed_ || ended_) return;
  watch();
}

void FuseSession::receive() {
  const std::shared_ptr<FuseSession> keep = self_;
  CallbackScope scope(*this);
  const uint64_t latest = uv_hrtime() + kBatchNanoseconds;
  uint64_t until = latest;
  for (int handled = 0; handled < kBatch && !ended_ && !closed_ && !paused_;) {
    if (receiveOne()) {
      handled++;
      until = std::min(latest, uv_hrtime() + lingerNanoseconds());
    } else if (uv_hrtime() >= until || handled == 0) {
      break;
    }
  }
  if (!closed_ && callbacks_.batch != nullptr) call(callbacks_.batch, 0, nullptr);
}

// Returns whether there may be more.
bool FuseSession::receiveOne() {
  const RequestBuffer& buffer = *buffers_.current();
  const ssize_t length = read(connection_->descriptor(), buffer.data(), buffer.size());
  if (length < 0) {
    // ENOENT: the request was withdrawn while it was being read.
    if (errno == EINTR || errno == ENOENT) return true;
    if (errno != EAGAIN) end(errno);
    return false;
  }
  if (static_cast<size_t>(length) < sizeof(fuse_in_header)) {
    end(EIO);
    return false;
  }
  deliver(static_cast<size_t>(length));
  return true;
}

void FuseSession::deliver(size_t length) {
  const RequestBuffer& buffer = *buffers_.current();
  const uint64_t unique = buffer.header().unique;
  const uint32_t opcode = buffer.header().opcode;
  const bool waits = expectsReply(opcode);
  (waits ? requests_ : forgets_)++;
  current_ = waits ? unique : 0;
  currentLength_ = length;
  const double arguments[3] = {static_cast<double>(opcode), static_cast<double>(length),
                               static_cast<double>(buffer.index())};
  const bool returned = buffer.header().len == length && call(callbacks_.request, 3, arguments);
  currentLength_ = 0;
  if (std::exchange(current_, 0) == 0 || closed_) return;
  if (returned) {
    unanswered_.insert(unique);
  } else {
    connection_->replyError(unique, EIO);
  }
}

void FuseSession::end(int error) {
  if (ended_) return;
  ended_ = true;
  uv_poll_stop(&poll_);
  const double arguments[1] = {static_cast<double>(error)};
  if (callbacks_.end != nullptr) call(callbacks_.end, 1, arguments);
}

// Calls JavaScript inside an open scope. What it throws is reported as an uncaught exception. False where it threw or
// where JavaScript cannot run any more.
bool FuseSession::call(napi_ref function, size_t count, const double* numbers) {
  napi_value receiver;
  napi_value target;
  napi_value arguments[3];
  if (napi_get_undefined(env_, &receiver) != napi_ok) return false;
  if (napi_get_reference_value(env_, function, &target) != napi_ok || target == nullptr) return false;
  for (size_t index = 0; index < count; index++) napi_create_double(env_, numbers[index], &arguments[index]);
  if (napi_call_function(env_, receiver, target, count, arguments, nullptr) == napi_ok) return true;
  bool pending = false;
  napi_value error;
  if (napi_is_exception_pending(env_, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env_, &error) == napi_ok) {
    napi_fatal_exception(env_, error);
  }
  return false;
}

void FuseSession::claim(uint64_t unique) {
  if (unique != 0 && unique == current_) {
    current_ = 0;
  } else if (unanswered_.erase(unique) == 0) {
    throw std::logic_error("FUSE request " + std::to_string(unique) + " does not wait for an answer");
  }
}

bool FuseSession::reply(uint64_t unique, int error, size_t payload) {
  if (closed_) return false;
  claim(unique);
  if (error != 0 || payload == 0) return connection_->replyError(unique, error);
  replyParts_.assign({{nullptr, 0}, {replyBuffer_->data() + sizeof(fuse_out_header), payload}});
  return connection_->reply(unique, replyParts_);
}

bool FuseSession::replyRead(uint64_t unique) {
  if (closed_) return false;
  claim(unique);
  if (!pieces_.needsFiles()) return pieces_.send(*connection_, unique);
  Pool::instance().submit(pieces_.intoTask(
      connection_, unique, [failures = failures_](const FileReadFailure& failure) { failures->add(failure); }));
  return true;
}

void FuseSession::reportFailures() {
  const std::shared_ptr<FuseSession> keep = self_;
  std::vector<FileReadFailure> list;
  {
    std::lock_guard lock(failures_->mutex);
    list.swap(failures_->list);
  }
  CallbackScope scope(*this);
  for (const FileReadFailure& failure : list) {
    if (closed_ || callbacks_.readFailure == nullptr) return;
    const double arguments[3] = {static_cast<double>(failure.descriptor), static_cast<double>(failure.offset),
                                 static_cast<double>(failure.error)};
    call(callbacks_.readFailure, 3, arguments);
  }
}

// A notification under way keeps the descriptor open and may wait for a lock whose holder waits for us; it would hold
// up the end of the process, too. Answering everybody lets it through.
void FuseSession::unblockNotifier() {
  notifier_.stop();
  for (int step = 0; step < kUnblockSteps && !notifier_.settle(step == 0 ? 0 : kUnblockStepMilliseconds); step++) {
    for (const uint64_t unique : unanswered_) connection_->replyError(unique, ENOTCONN);
    unanswered_.clear();
    const RequestBuffer& buffer = *buffers_.current();
    for (int requests = 0; requests < kBatch; requests++) {
      if (read(connection_->descriptor(), buffer.data(), buffer.size()) <= 0) break;
      if (!expectsReply(buffer.header().opcode)) continue;
      requests_++;
      connection_->replyError(buffer.header().unique, ENOTCONN);
    }
  }
}

void FuseSession::close() {
  if (closed_) return;
  closed_ = true;
  unblockNotifier();
  if (self_ == nullptr) {
    connection_.reset();
    return;
  }
  {
    std::lock_guard lock(failures_->mutex);
    failures_->wake = nullptr;
  }
  for (napi_ref* reference : {&callbacks_.request, &callbacks_.batch, &callbacks_.readFailure, &callbacks_.end}) {
    release(env_, *reference);
  }
  napi_async_destroy(env_, context_);
  const auto closed = [](uv_handle_t* handle) { static_cast<FuseSession*>(handle->data)->handleClosed(); };
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), closed);
  connection_.reset();
}

void FuseSession::handleClosed() {
  if (--openHandles_ > 0) return;
  napi_remove_async_cleanup_hook(cleanup_);
  self_.reset();
}

}  // namespace cairn
