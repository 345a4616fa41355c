#include <memory>

#include "arguments.h"
#include "blob.h"
#include "capabilities.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

Napi::Value encodeBlobNow(const Napi::CallbackInfo& info) {
  const int level = info[2].As<Napi::Number>().Int32Value();
  const size_t size = encodeBlob(bytesOf(info[0]), bytesOf(info[1]), level);
  return Napi::Number::New(info.Env(), static_cast<double>(size));
}

Napi::Value encodeBlobLater(const Napi::CallbackInfo& info) {
  const Bytes plain = bytesOf(info[0]);
  const std::span<uint8_t> out = bytesOf(info[1]);
  const int level = info[2].As<Napi::Number>().Int32Value();
  const auto size = std::make_shared<size_t>(0);
  return startJob(
      info.Env(), {info[0], info[1]}, [=] { *size = encodeBlob(plain, out, level); },
      [=](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(*size)); });
}

Napi::Value decodeBlobNow(const Napi::CallbackInfo& info) {
  PlainBytes plain = decodeBlob(bytesOf(info[0]), unsignedOf(info[1]));
  return toBuffer(info.Env(), std::move(plain.memory), plain.size, plain.start);
}

Napi::Value decodeBlobLater(const Napi::CallbackInfo& info) {
  const Bytes blob = bytesOf(info[0]);
  const uint64_t maxPlainBytes = unsignedOf(info[1]);
  const auto plain = std::make_shared<PlainBytes>();
  return startJob(
      info.Env(), {info[0]}, [=] { *plain = decodeBlob(blob, maxPlainBytes); },
      [=](Napi::Env env) { return toBuffer(env, std::move(plain->memory), plain->size, plain->start); });
}

}  // namespace

void initBlob(Napi::Env env, Napi::Object exports) {
  exportFunction<encodeBlobNow>(env, exports, "encodeBlobSync");
  exportFunction<encodeBlobLater>(env, exports, "encodeBlob");
  exportFunction<decodeBlobNow>(env, exports, "decodeBlobSync");
  exportFunction<decodeBlobLater>(env, exports, "decodeBlob");
}

}  // namespace cairn
