#include "fuse_notify.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <thread>
#include <utility>

namespace cairn {

FuseNotifier::FuseNotifier(std::shared_ptr<FuseConnection> connection) : state_(std::make_shared<State>()) {
  state_->connection = std::move(connection);
}

void FuseNotifier::invalidateEntry(uint64_t parent, std::string name) {
  enqueue({true, parent, 0, 0, std::move(name)});
}

void FuseNotifier::invalidateInode(uint64_t node, int64_t offset, int64_t length) {
  enqueue({false, node, offset, length, {}});
}

void FuseNotifier::enqueue(Message message) {
  std::lock_guard lock(state_->mutex);
  if (state_->stopped) return;
  state_->queue.push_back(std::move(message));
  if (!state_->started) {
    std::thread([state = state_] { work(state); }).detach();
    state_->started = true;
  }
  state_->changed.notify_all();
}

void FuseNotifier::stop() {
  std::lock_guard lock(state_->mutex);
  state_->stopped = true;
  state_->queue.clear();
  state_->connection.reset();
  state_->changed.notify_all();
}

bool FuseNotifier::settle(int milliseconds) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(milliseconds),
                                  [this] { return state_->queue.empty() && !state_->busy; });
}

void FuseNotifier::work(const std::shared_ptr<State>& state) {
  pthread_setname_np(pthread_self(), "cairn-notify");
  // Signals are Node's business.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->changed.wait(lock, [&] { return state->stopped || !state->queue.empty(); });
    if (state->stopped) return;
    const Message message = std::move(state->queue.front());
    state->queue.pop_front();
    state->busy = true;
    std::shared_ptr<FuseConnection> connection = state->connection;
    lock.unlock();
    send(*connection, message);
    connection.reset();
    lock.lock();
    state->busy = false;
    state->changed.notify_all();
  }
}

// Errors are of no consequence: ENOENT says that the kernel knows nothing of it, all others that the mount has gone.
void FuseNotifier::send(FuseConnection& connection, const Message& message) {
  if (message.entry) {
    fuse_notify_inval_entry_out out{message.node, static_cast<uint32_t>(message.name.size()), 0};
    // The name goes with its terminator, which namelen does not count.
    connection.notify(FUSE_NOTIFY_INVAL_ENTRY, {&out, sizeof out},
                      {const_cast<char*>(message.name.c_str()), message.name.size() + 1});
  } else {
    fuse_notify_inval_inode_out out{message.node, message.offset, message.length};
    connection.notify(FUSE_NOTIFY_INVAL_INODE, {&out, sizeof out}, {nullptr, 0});
  }
}

}  // namespace cairn
