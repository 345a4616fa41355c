#include <malloc.h>
#include <napi.h>

#include "capabilities.h"
#include "fuse_mount.h"
#include "fuse_session.h"
#include "pool.h"

namespace {

/**
 * A dozen threads would each get a heap of their own, and what one frees another could not use: the daemon's memory would
 * grow with the number of threads that were ever busy.
 */
void boundHeaps() {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 2);
#endif
}

Napi::Object initAddon(Napi::Env env, Napi::Object exports) {
  boundHeaps();
  cairn::initPool(env);
  cairn::initBlob(env, exports);
  cairn::initChunkCache(env, exports);
  cairn::initChunker(env, exports);
  cairn::initDigestLocks(env, exports);
  cairn::initDraft(env, exports);
  cairn::initErasure(env, exports);
  cairn::initFiles(env, exports);
  cairn::initHash(env, exports);
  cairn::initHolds(env, exports);
  cairn::initJournalFile(env, exports);
  cairn::initLocks(env, exports);
  cairn::initNewFiles(env, exports);
  cairn::initNodeAttributes(env, exports);
  cairn::initPeer(env, exports);
  cairn::initSource(env, exports);
  initFuseMount(env, exports);
  initFuseSession(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(cairn, initAddon)
