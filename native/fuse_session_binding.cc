#include <napi.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "arguments.h"
#include "draft_binding.h"
#include "fuse_session.h"
#include "guard.h"
#include "handle.h"

namespace cairn {

namespace {

using Info = Napi::CallbackInfo;

// The first argument of all functions but `open` is the session's handle.
FuseSession& sessionOf(const Info& info) { return *Handle<FuseSession>::of(info[0]).object; }

/** A Buffer over the memory, which lives as long as the Buffer does. */
Napi::Value viewOf(Napi::Env env, const std::shared_ptr<RequestBuffer>& memory) {
  auto* hold = new std::shared_ptr<RequestBuffer>(memory);
  return Napi::Buffer<uint8_t>::New(
      env, memory->data(), memory->size(),
      [](Napi::Env, uint8_t*, std::shared_ptr<RequestBuffer>* held) { delete held; }, hold);
}

napi_ref referenceTo(Napi::Env env, const Napi::Value& value) {
  napi_ref reference = nullptr;
  if (value.IsFunction()) napi_create_reference(env, value, 1, &reference);
  return reference;
}

int32_t intOf(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

int64_t signedOf(const Napi::Value& value) { return value.As<Napi::Number>().Int64Value(); }

uint64_t nodeOf(const Napi::Value& low, const Napi::Value& high) { return unsignedOf(high) << 32 | unsignedOf(low); }

/** (descriptor, largest body in bytes): the session, which owns the descriptor */
Napi::Value open(const Info& info) {
  return Handle<FuseSession>::create(info.Env(),
                                     std::make_shared<FuseSession>(info.Env(), intOf(info[0]), unsignedOf(info[1])));
}

/** (session, onRequest, onBatch or undefined, onReadFailure, onEnd) */
Napi::Value start(const Info& info) {
  FuseCallbacks callbacks;
  callbacks.request = referenceTo(info.Env(), info[1]);
  callbacks.batch = referenceTo(info.Env(), info[2]);
  callbacks.readFailure = referenceTo(info.Env(), info[3]);
  callbacks.end = referenceTo(info.Env(), info[4]);
  sessionOf(info).start(callbacks);
  return info.Env().Undefined();
}

Napi::Value replyBuffer(const Info& info) { return viewOf(info.Env(), sessionOf(info).replyBuffer()); }

/** The buffer of the request being handled; the door makes one view per index. */
Napi::Value requestBuffer(const Info& info) { return viewOf(info.Env(), sessionOf(info).buffers().current()); }

/** (session, unique, errno, payload bytes) */
Napi::Value reply(const Info& info) {
  return Napi::Boolean::New(info.Env(), sessionOf(info).reply(unsignedOf(info[1]), intOf(info[2]), unsignedOf(info[3])));
}

/** (session, draft, offset) */
Napi::Value copyBody(const Info& info) {
  FuseSession& session = sessionOf(info);
  const auto body = session.buffers().body(session.currentLength());
  draftOf(info[1])->write(unsignedOf(info[2]), body.data(), body.size());
  return info.Env().Undefined();
}

/** (session) */
Napi::Value keepBody(const Info& info) {
  FuseSession& session = sessionOf(info);
  if (session.currentLength() == 0) throw std::logic_error("A body can be kept only while its request is handled");
  session.buffers().keep(session.currentLength());
  return info.Env().Undefined();
}

/** (session, unique, draft, offset) */
Napi::Value copyKept(const Info& info) {
  const auto body = sessionOf(info).buffers().kept(unsignedOf(info[1]));
  draftOf(info[2])->write(unsignedOf(info[3]), body.data(), body.size());
  return info.Env().Undefined();
}

/** (session, unique) */
Napi::Value discardKept(const Info& info) {
  sessionOf(info).buffers().discard(unsignedOf(info[1]));
  return info.Env().Undefined();
}

/** (session): forgets the pieces of an answer that was not sent */
Napi::Value readBegin(const Info& info) {
  sessionOf(info).pieces().begin();
  return info.Env().Undefined();
}

/** (session, length) */
Napi::Value readZeros(const Info& info) {
  sessionOf(info).pieces().addZeros(unsignedOf(info[1]));
  return info.Env().Undefined();
}

/** (session, digest, at, length): whether the chunk is in the cache */
Napi::Value readChunk(const Info& info) {
  const bool there = sessionOf(info).pieces().addChunk(digestOf(info[1]), unsignedOf(info[2]), unsignedOf(info[3]));
  return Napi::Boolean::New(info.Env(), there);
}

/** (session, descriptor, at, length) */
Napi::Value readFile(const Info& info) {
  sessionOf(info).pieces().addFile(intOf(info[1]), unsignedOf(info[2]), unsignedOf(info[3]));
  return info.Env().Undefined();
}

/** (session, draft, at, length): whether all of it is dirty */
Napi::Value readDraft(const Info& info) {
  const bool dirty = sessionOf(info).pieces().addDraft(*draftOf(info[1]), unsignedOf(info[2]), unsignedOf(info[3]));
  return Napi::Boolean::New(info.Env(), dirty);
}

/** (session, bytes) */
Napi::Value readBytes(const Info& info) {
  sessionOf(info).pieces().addBytes(bytesOf(info[1]));
  return info.Env().Undefined();
}

/** (session, unique) */
Napi::Value readSend(const Info& info) {
  return Napi::Boolean::New(info.Env(), sessionOf(info).replyRead(unsignedOf(info[1])));
}

/** (session, parent's low and high half, name) */
Napi::Value invalidateEntry(const Info& info) {
  const auto name = bytesOf(info[3]);
  sessionOf(info).notifier().invalidateEntry(nodeOf(info[1], info[2]),
                                             std::string(reinterpret_cast<const char*>(name.data()), name.size()));
  return info.Env().Undefined();
}

/** (session, node's low and high half, offset or -1, length) */
Napi::Value invalidateInode(const Info& info) {
  sessionOf(info).notifier().invalidateInode(nodeOf(info[1], info[2]), signedOf(info[3]), signedOf(info[4]));
  return info.Env().Undefined();
}

Napi::Value counters(const Info& info) {
  FuseSession& session = sessionOf(info);
  Napi::Object counters = Napi::Object::New(info.Env());
  counters.Set("requests", static_cast<double>(session.requests()));
  counters.Set("replies", static_cast<double>(session.counts().replies.load()));
  counters.Set("refused", static_cast<double>(session.counts().refused.load()));
  counters.Set("forgets", static_cast<double>(session.forgets()));
  counters.Set("unanswered", static_cast<double>(session.unanswered()));
  counters.Set("keptBodies", static_cast<double>(session.buffers().keptCount()));
  return counters;
}

Napi::Value pause(const Info& info) {
  sessionOf(info).pause();
  return info.Env().Undefined();
}

Napi::Value resume(const Info& info) {
  sessionOf(info).resume();
  return info.Env().Undefined();
}

Napi::Value close(const Info& info) {
  sessionOf(info).close();
  return info.Env().Undefined();
}

}  // namespace

}  // namespace cairn

void initFuseSession(Napi::Env env, Napi::Object exports) {
  using namespace cairn;
  exportFunction<cairn::open>(env, exports, "fuseOpen");
  exportFunction<start>(env, exports, "fuseStart");
  exportFunction<replyBuffer>(env, exports, "fuseReplyBuffer");
  exportFunction<requestBuffer>(env, exports, "fuseRequestBuffer");
  exportFunction<reply>(env, exports, "fuseReply");
  exportFunction<copyBody>(env, exports, "fuseCopyBody");
  exportFunction<keepBody>(env, exports, "fuseKeepBody");
  exportFunction<copyKept>(env, exports, "fuseCopyKept");
  exportFunction<discardKept>(env, exports, "fuseDiscardKept");
  exportFunction<readBegin>(env, exports, "fuseReadBegin");
  exportFunction<readZeros>(env, exports, "fuseReadZeros");
  exportFunction<readChunk>(env, exports, "fuseReadChunk");
  exportFunction<readFile>(env, exports, "fuseReadFile");
  exportFunction<readDraft>(env, exports, "fuseReadDraft");
  exportFunction<readBytes>(env, exports, "fuseReadBytes");
  exportFunction<readSend>(env, exports, "fuseReadSend");
  exportFunction<invalidateEntry>(env, exports, "fuseInvalidateEntry");
  exportFunction<invalidateInode>(env, exports, "fuseInvalidateInode");
  exportFunction<counters>(env, exports, "fuseCounters");
  exportFunction<cairn::pause>(env, exports, "fusePause");
  exportFunction<cairn::resume>(env, exports, "fuseResume");
  exportFunction<cairn::close>(env, exports, "fuseClose");
}
