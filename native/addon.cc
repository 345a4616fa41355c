#include <napi.h>

#include "capabilities.h"
#include "fuse_mount.h"
#include "fuse_session.h"
#include "pool.h"

namespace {

Napi::Object initAddon(Napi::Env env, Napi::Object exports) {
  cairn::initPool(env);
  cairn::initBlob(env, exports);
  cairn::initChunkCache(env, exports);
  cairn::initChunkDecoding(env, exports);
  cairn::initChunker(env, exports);
  cairn::initDigestLocks(env, exports);
  cairn::initDraft(env, exports);
  cairn::initErasure(env, exports);
  cairn::initFiles(env, exports);
  cairn::initHash(env, exports);
  cairn::initHeap(env, exports);
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
