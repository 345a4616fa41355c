#include <memory>

#include "arguments.h"
#include "capabilities.h"
#include "digest.h"
#include "guard.h"
#include "handle.h"
#include "pool.h"

namespace cairn {

namespace {

Napi::Value sha256Now(const Napi::CallbackInfo& info) { return toJs(info.Env(), sha256(bytesOf(info[0]))); }

Napi::Value sha256Later(const Napi::CallbackInfo& info) {
  const Bytes bytes = bytesOf(info[0]);
  const auto digest = std::make_shared<Digest>();
  return startJob(
      info.Env(), {info[0]}, [=] { *digest = sha256(bytes); }, [=](Napi::Env env) { return toJs(env, *digest); });
}

Napi::Value sha256Open(const Napi::CallbackInfo& info) {
  return Handle<Sha256>::create(info.Env(), std::make_shared<Sha256>());
}

Napi::Value sha256Update(const Napi::CallbackInfo& info) {
  Handle<Sha256>::open(info[0])->update(bytesOf(info[1]));
  return info.Env().Undefined();
}

Napi::Value sha256Finish(const Napi::CallbackInfo& info) {
  return toJs(info.Env(), Handle<Sha256>::open(info[0])->finish());
}

Napi::Value crc32Of(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), crc32(bytesOf(info[0]), info[1].As<Napi::Number>().Uint32Value()));
}

/** The key as two halves, each a BigInt. */
Napi::Value sipHash24Of(const Napi::CallbackInfo& info) {
  bool lossless = false;
  const uint64_t key0 = info[1].As<Napi::BigInt>().Uint64Value(&lossless);
  const uint64_t key1 = info[2].As<Napi::BigInt>().Uint64Value(&lossless);
  return Napi::BigInt::New(info.Env(), sipHash24(bytesOf(info[0]), key0, key1));
}

}  // namespace

void initHash(Napi::Env env, Napi::Object exports) {
  exportFunction<sha256Now>(env, exports, "sha256Sync");
  exportFunction<sha256Later>(env, exports, "sha256");
  exportFunction<sha256Open>(env, exports, "sha256Open");
  exportFunction<sha256Update>(env, exports, "sha256Update");
  exportFunction<sha256Finish>(env, exports, "sha256Finish");
  exportFunction<crc32Of>(env, exports, "crc32");
  exportFunction<sipHash24Of>(env, exports, "sipHash24");
}

}  // namespace cairn
