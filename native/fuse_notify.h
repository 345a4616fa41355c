#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "fuse_connection.h"

namespace cairn {

/**
 * Tells the kernel what it must no longer believe, from a thread of its own: a notification blocks while the kernel
 * holds a folder's or page's lock for a request that is not answered yet. The thread starts with the first
 * notification and is never joined; it owns all it uses. Every method from any thread.
 */
class FuseNotifier {
 public:
  explicit FuseNotifier(std::shared_ptr<FuseConnection> connection);
  ~FuseNotifier() { stop(); }
  FuseNotifier(const FuseNotifier&) = delete;
  FuseNotifier& operator=(const FuseNotifier&) = delete;

  /** The entry `name` of `parent` changed, came or went. */
  void invalidateEntry(uint64_t parent, std::string name);

  /** Attributes and the cached bytes at [offset, offset + length) changed; length 0: to the end; offset -1: attributes only. */
  void invalidateInode(uint64_t node, int64_t offset, int64_t length);

  /** Drops what is queued and ends the thread once the notification under way, if any, is through. */
  void stop();

  /** Waits until the queue is empty and nothing is under way. @return false after `milliseconds` */
  bool settle(int milliseconds);

 private:
  struct Message {
    bool entry;
    uint64_t node;
    int64_t offset;
    int64_t length;
    std::string name;
  };
  struct State {
    std::shared_ptr<FuseConnection> connection;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Message> queue;
    bool busy = false;
    bool stopped = false;
    bool started = false;
  };

  void enqueue(Message message);
  static void work(const std::shared_ptr<State>& state);
  static void send(FuseConnection& connection, const Message& message);

  std::shared_ptr<State> state_;
};

}  // namespace cairn
