#include <mutex>
#include <unordered_map>

#include "arguments.h"
#include "async_lock.h"
#include "capabilities.h"
#include "guard.h"

namespace cairn {

namespace {

using Mode = AsyncLock::Mode;

/** Locks of single chunks, and the one between pictures and marks. One table per process; never destroyed. */
struct DigestLocks {
  std::mutex mutex;
  std::unordered_map<Digest, AsyncLock, DigestHash> chunks;
  /** Shared by jobs that have a picture open, alone for the moment of a mark. */
  AsyncLock pictures;

  static DigestLocks& instance() {
    static DigestLocks* locks = new DigestLocks;
    return *locks;
  }
};

void fulfilAll(AsyncLock::Granted& granted) {
  for (auto& promised : granted) Promised::fulfil(std::move(promised));
}

/** Undefined where the lock was to be had at once, else a promise. The mutex is held. */
Napi::Value takeOrWait(Napi::Env env, AsyncLock& lock, Mode mode) {
  if (lock.tryTake(ownerOf(env), mode)) return env.Undefined();
  auto [promise, promised] = Promised::make(env);
  lock.wait(std::move(promised), mode);
  return promise;
}

/** (digest) */
Napi::Value lockDigest(const Napi::CallbackInfo& info) {
  const Digest digest = digestOf(info[0]);
  DigestLocks& locks = DigestLocks::instance();
  std::lock_guard guard(locks.mutex);
  return takeOrWait(info.Env(), locks.chunks[digest], Mode::kAlone);
}

/** (digest): whether it was free */
Napi::Value tryLockDigest(const Napi::CallbackInfo& info) {
  const Digest digest = digestOf(info[0]);
  DigestLocks& locks = DigestLocks::instance();
  std::lock_guard guard(locks.mutex);
  return Napi::Boolean::New(info.Env(), locks.chunks[digest].tryTake(ownerOf(info.Env()), Mode::kAlone));
}

/** (digest): false where this thread has no lock on it */
Napi::Value unlockDigest(const Napi::CallbackInfo& info) {
  const Digest digest = digestOf(info[0]);
  DigestLocks& locks = DigestLocks::instance();
  AsyncLock::Granted granted;
  bool had = false;
  {
    std::lock_guard guard(locks.mutex);
    const auto found = locks.chunks.find(digest);
    if (found != locks.chunks.end()) {
      had = found->second.release(ownerOf(info.Env()), granted);
      if (found->second.idle()) locks.chunks.erase(found);
    }
  }
  fulfilAll(granted);
  return Napi::Boolean::New(info.Env(), had);
}

/** (alone) */
Napi::Value lockPictures(const Napi::CallbackInfo& info) {
  const Mode mode = info[0].As<Napi::Boolean>().Value() ? Mode::kAlone : Mode::kShared;
  DigestLocks& locks = DigestLocks::instance();
  std::lock_guard guard(locks.mutex);
  return takeOrWait(info.Env(), locks.pictures, mode);
}

Napi::Value unlockPictures(const Napi::CallbackInfo& info) {
  DigestLocks& locks = DigestLocks::instance();
  AsyncLock::Granted granted;
  bool had = false;
  {
    std::lock_guard guard(locks.mutex);
    had = locks.pictures.release(ownerOf(info.Env()), granted);
  }
  fulfilAll(granted);
  return Napi::Boolean::New(info.Env(), had);
}

size_t dropWaiters(AsyncLock::Owner owner) {
  DigestLocks& locks = DigestLocks::instance();
  AsyncLock::Granted granted;
  size_t dropped = 0;
  {
    std::lock_guard guard(locks.mutex);
    for (auto& [digest, lock] : locks.chunks) dropped += lock.dropWaiters(owner, granted);
    dropped += locks.pictures.dropWaiters(owner, granted);
  }
  fulfilAll(granted);
  return dropped;
}

void releaseAll(AsyncLock::Owner owner) {
  DigestLocks& locks = DigestLocks::instance();
  AsyncLock::Granted granted;
  {
    std::lock_guard guard(locks.mutex);
    for (auto& [digest, lock] : locks.chunks) lock.releaseAll(owner, granted);
    std::erase_if(locks.chunks, [](const auto& entry) { return entry.second.idle(); });
    locks.pictures.releaseAll(owner, granted);
  }
  fulfilAll(granted);
}

}  // namespace

void initDigestLocks(Napi::Env env, Napi::Object exports) {
  exportFunction<lockDigest>(env, exports, "lockDigest");
  exportFunction<tryLockDigest>(env, exports, "tryLockDigest");
  exportFunction<unlockDigest>(env, exports, "unlockDigest");
  exportFunction<lockPictures>(env, exports, "lockPictures");
  exportFunction<unlockPictures>(env, exports, "unlockPictures");
  atEnvEnd(env, {dropWaiters, releaseAll});
}

}  // namespace cairn
