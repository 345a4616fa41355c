#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "pool.h"

namespace cairn {

/**
 * A lock that many share or one has alone, first come, first served. Waiting is a promise. Not thread-safe: its user has a
 * mutex, and fulfils what `release` and `dropWaiters` grant when that is unlocked.
 */
class AsyncLock {
 public:
  /** An environment, see `ownerOf`. It may have a shared lock several times. */
  using Owner = const void*;
  using Granted = std::vector<std::unique_ptr<Promised>>;
  enum class Mode { kShared, kAlone };

  /** Whether it was to be had at once. */
  bool tryTake(Owner owner, Mode mode);

  /** After `tryTake` failed: the promise's owner has the lock once the promise is granted. */
  void wait(std::unique_ptr<Promised> promised, Mode mode);

  /** Ends one lock of the owner; false where it has none. */
  bool release(Owner owner, Granted& granted);

  /** Ends all locks of the owner. */
  void releaseAll(Owner owner, Granted& granted);

  /** Destroys what the owner waits for; returns how many that were. */
  size_t dropWaiters(Owner owner, Granted& granted);

  /** Whether nobody has it or waits for it. */
  bool idle() const { return holders_.empty() && waiting_.empty(); }

 private:
  struct Waiter {
    std::unique_ptr<Promised> promised;
    Mode mode;
  };

  bool fits(Mode mode) const { return holders_.empty() || (mode == Mode::kShared && mode_ == Mode::kShared); }
  void take(Owner owner, Mode mode);
  void grant(Granted& granted);

  std::vector<Owner> holders_;
  Mode mode_ = Mode::kShared;
  std::deque<Waiter> waiting_;
};

}  // namespace cairn
