#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "arguments.h"
#include "capabilities.h"
#include "guard.h"

namespace cairn {

namespace {

/** Chunks that must not be removed, with how often each is held. One table per process; never destroyed. */
struct Holds {
  std::mutex mutex;
  std::unordered_map<Digest, uint64_t, DigestHash> counts;

  static Holds& instance() {
    static Holds* holds = new Holds;
    return *holds;
  }
};

Napi::Value holdChunk(const Napi::CallbackInfo& info) {
  const Digest digest = digestOf(info[0]);
  Holds& holds = Holds::instance();
  std::lock_guard lock(holds.mutex);
  holds.counts[digest]++;
  return info.Env().Undefined();
}

/** False where the chunk is not held. */
Napi::Value releaseChunk(const Napi::CallbackInfo& info) {
  const Digest digest = digestOf(info[0]);
  Holds& holds = Holds::instance();
  std::lock_guard lock(holds.mutex);
  const auto held = holds.counts.find(digest);
  if (held == holds.counts.end()) return Napi::Boolean::New(info.Env(), false);
  if (--held->second == 0) holds.counts.erase(held);
  return Napi::Boolean::New(info.Env(), true);
}

Napi::Value isHeld(const Napi::CallbackInfo& info) {
  const Digest digest = digestOf(info[0]);
  Holds& holds = Holds::instance();
  std::lock_guard lock(holds.mutex);
  return Napi::Boolean::New(info.Env(), holds.counts.contains(digest));
}

Napi::Value heldChunks(const Napi::CallbackInfo& info) {
  std::vector<Digest> digests;
  Holds& holds = Holds::instance();
  {
    std::lock_guard lock(holds.mutex);
    digests.reserve(holds.counts.size());
    for (const auto& [digest, count] : holds.counts) digests.push_back(digest);
  }
  return toBuffer(info.Env(), digests);
}

}  // namespace

void initHolds(Napi::Env env, Napi::Object exports) {
  exportFunction<holdChunk>(env, exports, "holdChunk");
  exportFunction<releaseChunk>(env, exports, "releaseChunk");
  exportFunction<isHeld>(env, exports, "isHeld");
  exportFunction<heldChunks>(env, exports, "heldChunks");
}

}  // namespace cairn
