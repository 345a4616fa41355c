#include "async_lock.h"

#include <algorithm>

namespace cairn {

bool AsyncLock::tryTake(Owner owner, Mode mode) {
  if (!waiting_.empty() || !fits(mode)) return false;
  take(owner, mode);
  return true;
}

void AsyncLock::wait(std::unique_ptr<Promised> promised, Mode mode) {
  waiting_.push_back({std::move(promised), mode});
}

bool AsyncLock::release(Owner owner, Granted& granted) {
  const auto found = std::find(holders_.begin(), holders_.end(), owner);
  if (found == holders_.end()) return false;
  holders_.erase(found);
  grant(granted);
  return true;
}

void AsyncLock::releaseAll(Owner owner, Granted& granted) {
  std::erase(holders_, owner);
  grant(granted);
}

size_t AsyncLock::dropWaiters(Owner owner, Granted& granted) {
  const size_t dropped = std::erase_if(waiting_, [owner](const Waiter& waiter) { return waiter.promised->owner() == owner; });
  grant(granted);
  return dropped;
}

void AsyncLock::take(Owner owner, Mode mode) {
  holders_.push_back(owner);
  mode_ = mode;
}

void AsyncLock::grant(Granted& granted) {
  while (!waiting_.empty() && fits(waiting_.front().mode)) {
    take(waiting_.front().promised->owner(), waiting_.front().mode);
    granted.push_back(std::move(waiting_.front().promised));
    waiting_.pop_front();
  }
}

}  // namespace cairn
