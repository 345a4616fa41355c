#include "chunker_binding.h"

#include <memory>

#include "arguments.h"
#include "capabilities.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

Napi::Value scanChunksNow(const Napi::CallbackInfo& info) {
  const Bytes bytes = bytesOf(info[0]);
  const bool final = info[4].As<Napi::Boolean>().Value();
  return toJs(info.Env(), cutSpans({&bytes, 1}, cutterOf(info, 1), final));
}

Napi::Value scanChunksLater(const Napi::CallbackInfo& info) {
  const Bytes bytes = bytesOf(info[0]);
  const Cutter cutter = cutterOf(info, 1);
  const bool final = info[4].As<Napi::Boolean>().Value();
  const auto cuts = std::make_shared<Cuts>();
  return startJob(
      info.Env(), {info[0]}, [=] { *cuts = cutSpans({&bytes, 1}, cutter, final); },
      [=](Napi::Env env) { return toJs(env, *cuts); });
}

}  // namespace

Cutter cutterOf(const Napi::CallbackInfo& info, size_t first) {
  return {unsignedOf(info[first]), unsignedOf(info[first + 1]), unsignedOf(info[first + 2])};
}

Napi::Value toJs(Napi::Env env, const Cuts& cuts) {
  Napi::Array lengths = Napi::Array::New(env, cuts.lengths.size());
  for (uint32_t cut = 0; cut < cuts.lengths.size(); cut++) lengths.Set(cut, cuts.lengths[cut]);
  Napi::Object result = Napi::Object::New(env);
  result.Set("lengths", lengths);
  result.Set("digests", toBuffer(env, cuts.digests));
  return result;
}

void initChunker(Napi::Env env, Napi::Object exports) {
  exportFunction<scanChunksNow>(env, exports, "scanChunksSync");
  exportFunction<scanChunksLater>(env, exports, "scanChunks");
}

}  // namespace cairn
