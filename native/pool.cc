#include "pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

namespace cairn {

namespace {

struct Queued {
  std::unique_ptr<Task> task;
  const void* owner;
};

/** Signals are Node's business: a pool thread starts with all of them blocked. */
void startThread(void (*body)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread(body, argument).detach();
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

struct Pool::State {
  explicit State(const char* name) : threadName(name) {}

  const char* const threadName;
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<Queued> queue;
  const size_t wanted = std::max<size_t>(4, std::thread::hardware_concurrency() + 2);
  size_t threads = 0;
  size_t idle = 0;      // threads that wait for a task
  bool waking = false;  // one of them was woken and does not run yet

  /**
   * Wakes one thread, unless one is on its way: that one wakes the next if there is more. A wake-up costs the caller
   * several µs, and the caller is often the thread that must not wait.
   */
  void wakeOne() {
    if (waking || idle == 0 || queue.empty()) return;
    waking = true;
    ready.notify_one();
  }
};

/** The state is never destroyed: pool threads still use it while exit(3) runs destructors. */
Pool::Pool(const char* threadName) : state_(*new State(threadName)) {}

Pool& Pool::instance() {
  static Pool pool("cairn-pool");
  return pool;
}

Pool& Pool::ofOthersFiles() {
  static Pool pool("cairn-source");
  return pool;
}

void Pool::submit(std::unique_ptr<Task> task, const void* owner) {
  State& shared = state_;
  std::lock_guard lock(shared.mutex);
  while (shared.threads < shared.wanted) {
    try {
      startThread([](void* argument) { work(*static_cast<State*>(argument)); }, &shared);
    } catch (const std::system_error&) {
      if (shared.threads == 0) throw;
      break;  // fewer threads are slower, not wrong
    }
    shared.threads++;
  }
  shared.queue.push_back({std::move(task), owner});
  shared.wakeOne();
}

std::vector<std::unique_ptr<Task>> Pool::withdraw(const void* owner) {
  State& shared = state_;
  std::lock_guard lock(shared.mutex);
  std::vector<std::unique_ptr<Task>> withdrawn;
  std::deque<Queued> kept;
  for (Queued& queued : shared.queue) {
    if (queued.owner == owner) {
      withdrawn.push_back(std::move(queued.task));
    } else {
      kept.push_back(std::move(queued));
    }
  }
  shared.queue.swap(kept);
  return withdrawn;
}

void Pool::work(State& shared) {
  pthread_setname_np(pthread_self(), shared.threadName);
  for (;;) {
    std::unique_lock lock(shared.mutex);
    while (shared.queue.empty()) {
      shared.idle++;
      shared.ready.wait(lock);
      shared.idle--;
      shared.waking = false;
    }
    std::unique_ptr<Task> task = std::move(shared.queue.front().task);
    shared.queue.pop_front();
    shared.wakeOne();
    lock.unlock();
    Task& running = *task;
    running.run(std::move(task));
  }
}

}  // namespace cairn
