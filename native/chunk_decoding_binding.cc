#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "arguments.h"
#include "blob.h"
#include "capabilities.h"
#include "chunk_cache.h"
#include "errors.h"
#include "files.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

/** What a chunk's plain bytes have to be. */
struct Expected {
  Digest digest;
  std::optional<uint64_t> bytes;
};

Expected expectedOf(const Napi::CallbackInfo& info) {
  const auto bytes = info[3].IsUndefined() ? std::nullopt : std::optional(unsignedOf(info[3]));
  return {digestOf(info[0]), bytes};
}

PlainBytes verified(const Expected& expected, PlainBytes plain) {
  if (expected.bytes && *expected.bytes != plain.size) {
    throw CorruptError("holds " + std::to_string(plain.size) + " bytes instead of " + std::to_string(*expected.bytes));
  }
  if (sha256(plain.bytes()) != expected.digest) throw CorruptError("its bytes have another digest");
  return plain;
}

/** A job that ends in a Buffer with the chunk. */
Napi::Value startDecoding(const Napi::CallbackInfo& info, std::function<PlainBytes()> decode) {
  const auto plain = std::make_shared<PlainBytes>();
  return startJob(
      info.Env(), {info[1]}, [=, expected = expectedOf(info)] { *plain = verified(expected, decode()); },
      [=](Napi::Env env) { return toBuffer(env, std::move(plain->memory), plain->size, plain->start); });
}

/** A job that puts the chunk into the cache. */
Napi::Value startCaching(const Napi::CallbackInfo& info, std::function<PlainBytes()> decode) {
  return startJob(
      info.Env(), {info[1]},
      [=, expected = expectedOf(info)] {
        auto chunk = std::make_shared<const Chunk>(verified(expected, decode()));
        ChunkCache::instance().insert(expected.digest, std::move(chunk));
      },
      [](Napi::Env env) { return env.Undefined(); });
}

/** The blob is the second argument. */
std::function<PlainBytes()> ofBytes(const Napi::CallbackInfo& info) {
  return [blob = bytesOf(info[1]), most = unsignedOf(info[2])] { return decodeBlob(blob, most); };
}

/** The blob is the file whose path is the second argument. */
std::function<PlainBytes()> ofFile(const Napi::CallbackInfo& info) {
  return [path = pathOf(info[1]), most = unsignedOf(info[2])] {
    FileBytes file = readFile(path);
    return decodeBlob(std::move(file.memory), file.size, most);
  };
}

// All take (digest, blob or path, most plain bytes, plain bytes or undefined).
Napi::Value decode(const Napi::CallbackInfo& info) { return startDecoding(info, ofBytes(info)); }
Napi::Value decodeOfFile(const Napi::CallbackInfo& info) { return startDecoding(info, ofFile(info)); }
Napi::Value cache(const Napi::CallbackInfo& info) { return startCaching(info, ofBytes(info)); }
Napi::Value cacheOfFile(const Napi::CallbackInfo& info) { return startCaching(info, ofFile(info)); }

}  // namespace

void initChunkDecoding(Napi::Env env, Napi::Object exports) {
  exportFunction<decode>(env, exports, "decodeChunk");
  exportFunction<decodeOfFile>(env, exports, "decodeChunkFile");
  exportFunction<cache>(env, exports, "decodeIntoCache");
  exportFunction<cacheOfFile>(env, exports, "decodeFileIntoCache");
}

}  // namespace cairn
