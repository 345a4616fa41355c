#include "draft_binding.h"

#include <cstring>

#include "arguments.h"
#include "blob.h"
#include "capabilities.h"
#include "chunker_binding.h"
#include "guard.h"
#include "handle.h"
#include "pool.h"

namespace cairn {

namespace {

/** [start, end) of the draft given as the first three arguments; throws RangeError where it is not wholly dirty. */
std::shared_ptr<DraftView> viewOf(const Napi::CallbackInfo& info) {
  auto view = std::make_shared<DraftView>();
  if (!draftOf(info[0])->view(unsignedOf(info[1]), unsignedOf(info[2]), *view)) {
    throw Napi::RangeError::New(info.Env(), "The range is not wholly dirty");
  }
  return view;
}

void gather(const DraftView& view, uint8_t* out) {
  for (const Bytes& span : view.spans) {
    std::memcpy(out, span.data(), span.size());
    out += span.size();
  }
}

/** Flat: start, end, start, end, … */
Napi::Value flatRanges(Napi::Env env, const std::vector<ByteRange>& ranges) {
  Napi::Array flat = Napi::Array::New(env, ranges.size() * 2);
  uint32_t at = 0;
  for (const ByteRange& range : ranges) {
    flat.Set(at++, static_cast<double>(range.start));
    flat.Set(at++, static_cast<double>(range.end));
  }
  return flat;
}

Napi::Value open(const Napi::CallbackInfo& info) {
  return Handle<Draft>::create(info.Env(), std::make_shared<Draft>());
}

Napi::Value close(const Napi::CallbackInfo& info) {
  Handle<Draft>::of(info[0]).object.reset();
  return info.Env().Undefined();
}

Napi::Value write(const Napi::CallbackInfo& info) {
  const Bytes bytes = bytesOf(info[2]);
  draftOf(info[0])->write(unsignedOf(info[1]), bytes.data(), bytes.size());
  return info.Env().Undefined();
}

Napi::Value drop(const Napi::CallbackInfo& info) {
  draftOf(info[0])->drop(unsignedOf(info[1]), unsignedOf(info[2]));
  return info.Env().Undefined();
}

Napi::Value covered(const Napi::CallbackInfo& info) {
  return flatRanges(info.Env(), draftOf(info[0])->covered(unsignedOf(info[1]), unsignedOf(info[2])));
}

Napi::Value dirtyBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(draftOf(info[0])->dirtyBytes()));
}

Napi::Value read(const Napi::CallbackInfo& info) {
  const std::shared_ptr<DraftView> view = viewOf(info);
  Napi::Buffer<uint8_t> bytes = Napi::Buffer<uint8_t>::New(info.Env(), view->length);
  gather(*view, bytes.Data());
  return bytes;
}

Napi::Value cut(const Napi::CallbackInfo& info) {
  const std::shared_ptr<DraftView> view = viewOf(info);
  const Cutter cutter = cutterOf(info, 3);
  const bool final = info[6].As<Napi::Boolean>().Value();
  const auto cuts = std::make_shared<Cuts>();
  return startJob(
      info.Env(), {}, [=] { *cuts = cutSpans(view->spans, cutter, final); },
      [=](Napi::Env env) { return toJs(env, *cuts); });
}

Napi::Value encode(const Napi::CallbackInfo& info) {
  const std::shared_ptr<DraftView> view = viewOf(info);
  const std::span<uint8_t> out = bytesOf(info[3]);
  const int level = info[4].As<Napi::Number>().Int32Value();
  const auto size = std::make_shared<size_t>(0);
  const auto run = [=] {
    if (view->spans.size() == 1) {
      *size = encodeBlob(view->spans[0], out, level);
      return;
    }
    const Memory gathered(view->length);
    gather(*view, gathered.data());
    *size = encodeBlob({gathered.data(), view->length}, out, level);
  };
  return startJob(info.Env(), {info[3]}, run,
                  [=](Napi::Env env) { return Napi::Number::New(env, static_cast<double>(*size)); });
}

Napi::Value digest(const Napi::CallbackInfo& info) {
  const std::shared_ptr<DraftView> view = viewOf(info);
  const auto digest = std::make_shared<Digest>();
  const auto run = [=] {
    Sha256 hash;
    for (const Bytes& span : view->spans) hash.update(span);
    *digest = hash.finish();
  };
  return startJob(info.Env(), {}, run, [=](Napi::Env env) { return toJs(env, *digest); });
}

Napi::Value memoryBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Draft::memoryBytes()));
}

}  // namespace

std::shared_ptr<Draft> draftOf(const Napi::Value& handle) { return Handle<Draft>::open(handle); }

void initDraft(Napi::Env env, Napi::Object exports) {
  exportFunction<open>(env, exports, "draftOpen");
  exportFunction<close>(env, exports, "draftClose");
  exportFunction<write>(env, exports, "draftWrite");
  exportFunction<drop>(env, exports, "draftDrop");
  exportFunction<covered>(env, exports, "draftCovered");
  exportFunction<dirtyBytes>(env, exports, "draftDirtyBytes");
  exportFunction<read>(env, exports, "draftRead");
  exportFunction<cut>(env, exports, "draftCut");
  exportFunction<encode>(env, exports, "draftEncode");
  exportFunction<digest>(env, exports, "draftDigest");
  exportFunction<memoryBytes>(env, exports, "draftMemoryBytes");
}

}  // namespace cairn
