#pragma once

#include <napi.h>

namespace cairn {

// One per capability: adds its functions to the addon's exports, once per environment.
void initBlob(Napi::Env env, Napi::Object exports);
void initChunkCache(Napi::Env env, Napi::Object exports);
void initChunkDecoding(Napi::Env env, Napi::Object exports);
void initChunker(Napi::Env env, Napi::Object exports);
void initDigestLocks(Napi::Env env, Napi::Object exports);
void initDraft(Napi::Env env, Napi::Object exports);
void initErasure(Napi::Env env, Napi::Object exports);
void initFiles(Napi::Env env, Napi::Object exports);
void initHash(Napi::Env env, Napi::Object exports);
void initHeap(Napi::Env env, Napi::Object exports);
void initHolds(Napi::Env env, Napi::Object exports);
void initJournalFile(Napi::Env env, Napi::Object exports);
void initLocks(Napi::Env env, Napi::Object exports);
void initNewFiles(Napi::Env env, Napi::Object exports);
void initNodeAttributes(Napi::Env env, Napi::Object exports);
void initPeer(Napi::Env env, Napi::Object exports);
void initSource(Napi::Env env, Napi::Object exports);

}  // namespace cairn
