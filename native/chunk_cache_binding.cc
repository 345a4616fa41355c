#include <cstring>

#include "arguments.h"
#include "capabilities.h"
#include "chunk_cache.h"
#include "guard.h"

namespace cairn {

namespace {

Napi::Value insertChunk(const Napi::CallbackInfo& info) {
  const Bytes plain = bytesOf(info[1]);
  Memory memory(plain.size());
  if (!plain.empty()) std::memcpy(memory.data(), plain.data(), plain.size());
  PlainBytes kept{std::move(memory), plain.size()};
  ChunkCache::instance().insert(digestOf(info[0]), std::make_shared<const Chunk>(std::move(kept)));
  return info.Env().Undefined();
}

Napi::Value cachedChunk(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), ChunkCache::instance().contains(digestOf(info[0])));
}

Napi::Value copyCached(const Napi::CallbackInfo& info) {
  const std::shared_ptr<const Chunk> chunk = ChunkCache::instance().find(digestOf(info[0]));
  if (chunk == nullptr) return info.Env().Undefined();
  const uint64_t at = unsignedOf(info[1]);
  const uint64_t length = unsignedOf(info[2]);
  if (at > chunk->size() || length > chunk->size() - at) {
    throw Napi::RangeError::New(info.Env(), "Beyond the chunk's " + std::to_string(chunk->size()) + " bytes");
  }
  return Napi::Buffer<uint8_t>::Copy(info.Env(), chunk->bytes() + at, length);
}

Napi::Value dropCached(const Napi::CallbackInfo& info) {
  ChunkCache::instance().drop(digestOf(info[0]));
  return info.Env().Undefined();
}

Napi::Value setCacheLimit(const Napi::CallbackInfo& info) {
  ChunkCache::instance().setLimit(unsignedOf(info[0]));
  return info.Env().Undefined();
}

Napi::Value cacheBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(ChunkCache::instance().bytes()));
}

}  // namespace

void initChunkCache(Napi::Env env, Napi::Object exports) {
  exportFunction<insertChunk>(env, exports, "insertChunk");
  exportFunction<cachedChunk>(env, exports, "cachedChunk");
  exportFunction<copyCached>(env, exports, "copyCached");
  exportFunction<dropCached>(env, exports, "dropCached");
  exportFunction<setCacheLimit>(env, exports, "setCacheLimit");
  exportFunction<cacheBytes>(env, exports, "cacheBytes");
}

}  // namespace cairn
