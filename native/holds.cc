#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "arguments.h"
#include "capabilities.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

using Counts = std::unordered_map<Digest, uint64_t, DigestHash>;

/** Holds that can be ended together. */
struct Scope {
  const void* owner;
  Counts counts;
};

/**
 * Chunks that must not be removed. One table per process; never destroyed. A hold that ends while a sweep runs counts
 * until the sweep is over: what the sweep marked may be older than what the hold was for.
 */
class Holds {
 public:
  static Holds& instance() {
    static Holds* holds = new Holds;
    return *holds;
  }

  uint64_t openScope(const void* owner) {
    std::lock_guard lock(mutex_);
    scopes_[++lastScope_] = {owner, {}};
    return lastScope_;
  }

  bool hold(uint64_t scope, const Digest& digest) {
    std::lock_guard lock(mutex_);
    const auto found = scopes_.find(scope);
    if (found == scopes_.end()) return false;
    found->second.counts[digest]++;
    held_[digest]++;
    lingering_.erase(digest);
    return true;
  }

  bool release(uint64_t scope, const Digest& digest) {
    std::lock_guard lock(mutex_);
    const auto found = scopes_.find(scope);
    if (found == scopes_.end()) return false;
    const auto count = found->second.counts.find(digest);
    if (count == found->second.counts.end()) return false;
    if (--count->second == 0) found->second.counts.erase(count);
    endHolds(digest, 1);
    return true;
  }

  bool endScope(uint64_t scope) {
    std::lock_guard lock(mutex_);
    const auto found = scopes_.find(scope);
    if (found == scopes_.end()) return false;
    for (const auto& [digest, count] : found->second.counts) endHolds(digest, count);
    scopes_.erase(found);
    return true;
  }

  /** The level the chunk is compressed with while anybody holds it: that of who asked first. */
  int agreeOnLevel(const Digest& digest, int wanted) {
    std::lock_guard lock(mutex_);
    return held_.contains(digest) ? levels_.emplace(digest, wanted).first->second : wanted;
  }

  bool isHeld(const Digest& digest) {
    std::lock_guard lock(mutex_);
    return held_.contains(digest) || lingering_.contains(digest);
  }

  std::vector<Digest> all() {
    std::vector<Digest> digests;
    std::lock_guard lock(mutex_);
    digests.reserve(held_.size() + lingering_.size());
    for (const auto& [digest, count] : held_) digests.push_back(digest);
    digests.insert(digests.end(), lingering_.begin(), lingering_.end());
    return digests;
  }

  bool beginSweep(const void* owner) {
    std::lock_guard lock(mutex_);
    if (sweeper_ != nullptr) return false;
    sweeper_ = owner;
    return true;
  }

  bool endSweep(const void* owner) {
    std::lock_guard lock(mutex_);
    if (sweeper_ != owner) return false;
    finishSweep();
    return true;
  }

  /** The environment has ended: its scopes do, and its sweep. */
  void drop(const void* owner) {
    std::lock_guard lock(mutex_);
    std::erase_if(scopes_, [&](const auto& entry) {
      if (entry.second.owner != owner) return false;
      for (const auto& [digest, count] : entry.second.counts) endHolds(digest, count);
      return true;
    });
    if (sweeper_ == owner) finishSweep();
  }

 private:
  void endHolds(const Digest& digest, uint64_t count) {
    const auto found = held_.find(digest);
    found->second -= count;
    if (found->second > 0) return;
    held_.erase(found);
    levels_.erase(digest);
    if (sweeper_ != nullptr) lingering_.insert(digest);
  }

  void finishSweep() {
    sweeper_ = nullptr;
    lingering_.clear();
  }

  std::mutex mutex_;
  Counts held_;
  std::unordered_map<Digest, int, DigestHash> levels_;
  /** Held by nobody any more, but since the running sweep began. */
  std::unordered_set<Digest, DigestHash> lingering_;
  std::unordered_map<uint64_t, Scope> scopes_;
  uint64_t lastScope_ = 0;
  const void* sweeper_ = nullptr;
};

Napi::Value openHoldScope(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Holds::instance().openScope(ownerOf(info.Env()))));
}

/** (scope): false where there is none */
Napi::Value endHoldScope(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Holds::instance().endScope(unsignedOf(info[0])));
}

/** (scope, digest): false where there is no such scope */
Napi::Value holdChunk(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Holds::instance().hold(unsignedOf(info[0]), digestOf(info[1])));
}

/** (scope, digest): false where the chunk is not held in the scope */
Napi::Value releaseChunk(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Holds::instance().release(unsignedOf(info[0]), digestOf(info[1])));
}

/** (digest, wanted level): the level to compress with */
Napi::Value agreeOnLevel(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Holds::instance().agreeOnLevel(digestOf(info[0]), info[1].ToNumber().Int32Value()));
}

Napi::Value isHeld(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Holds::instance().isHeld(digestOf(info[0])));
}

Napi::Value heldChunks(const Napi::CallbackInfo& info) { return toBuffer(info.Env(), Holds::instance().all()); }

/** False while one runs. */
Napi::Value beginSweep(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Holds::instance().beginSweep(ownerOf(info.Env())));
}

/** False where this thread runs none. */
Napi::Value endSweep(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Holds::instance().endSweep(ownerOf(info.Env())));
}

}  // namespace

void initHolds(Napi::Env env, Napi::Object exports) {
  exportFunction<openHoldScope>(env, exports, "openHoldScope");
  exportFunction<endHoldScope>(env, exports, "endHoldScope");
  exportFunction<holdChunk>(env, exports, "holdChunk");
  exportFunction<releaseChunk>(env, exports, "releaseChunk");
  exportFunction<agreeOnLevel>(env, exports, "agreeOnLevel");
  exportFunction<isHeld>(env, exports, "isHeld");
  exportFunction<heldChunks>(env, exports, "heldChunks");
  exportFunction<beginSweep>(env, exports, "beginSweep");
  exportFunction<endSweep>(env, exports, "endSweep");
  atEnvEnd(env, {[](const void*) { return size_t{0}; }, [](const void* owner) { Holds::instance().drop(owner); }});
}

}  // namespace cairn
