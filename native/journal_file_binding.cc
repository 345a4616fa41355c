#include <memory>

#include "arguments.h"
#include "capabilities.h"
#include "draft_binding.h"
#include "guard.h"
#include "handle.h"
#include "journal_file.h"
#include "pool.h"

namespace cairn {

namespace {

using JournalHandle = Handle<JournalFile>;

void addPart(std::vector<iovec>& parts, Bytes bytes) {
  if (!bytes.empty()) parts.push_back({const_cast<uint8_t*>(bytes.data()), bytes.size()});
}

Napi::Value open(const Napi::CallbackInfo& info) {
  const bool create = info[1].As<Napi::Boolean>().Value();
  return JournalHandle::create(info.Env(),
                               std::make_shared<JournalFile>(pathOf(info[0]), create, unsignedOf(info[2])));
}

/** Bodies come flat: a Uint8Array, or a draft's handle followed by start and end. */
Napi::Value append(const Napi::CallbackInfo& info) {
  JournalFile& file = *JournalHandle::open(info[0]);
  const std::span<uint8_t> header = bytesOf(info[1]);
  thread_local std::vector<iovec> parts;  // kept from call to call: this is called for every change
  std::vector<DraftView> views;
  parts.clear();
  const Napi::Array bodies = info[2].As<Napi::Array>();
  const uint32_t count = bodies.Length();
  for (uint32_t at = 0; at < count; at++) {
    const Napi::Value body = bodies[at];
    if (body.IsTypedArray()) {
      addPart(parts, bytesOf(body));
      continue;
    }
    const Napi::Value start = bodies[++at];
    const Napi::Value end = bodies[++at];
    DraftView& view = views.emplace_back();
    if (!draftOf(body)->view(unsignedOf(start), unsignedOf(end), view)) {
      throw Napi::RangeError::New(info.Env(), "The range is not wholly dirty");
    }
    for (const Bytes& span : view.spans) addPart(parts, span);
  }
  return Napi::Number::New(info.Env(), static_cast<double>(file.append(header, parts)));
}

Napi::Value sync(const Napi::CallbackInfo& info) {
  const std::shared_ptr<JournalFile> file = JournalHandle::open(info[0]);
  return startJob(info.Env(), {}, [=] { file->sync(); }, [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(JournalHandle::open(info[0])->size()));
}

Napi::Value descriptor(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), JournalHandle::open(info[0])->descriptor());
}

/** The descriptor goes once a sync under way has ended. */
Napi::Value close(const Napi::CallbackInfo& info) {
  JournalHandle::of(info[0]).object.reset();
  return info.Env().Undefined();
}

}  // namespace

void initJournalFile(Napi::Env env, Napi::Object exports) {
  exportFunction<open>(env, exports, "journalOpen");
  exportFunction<append>(env, exports, "journalAppend");
  exportFunction<sync>(env, exports, "journalSync");
  exportFunction<size>(env, exports, "journalSize");
  exportFunction<descriptor>(env, exports, "journalDescriptor");
  exportFunction<close>(env, exports, "journalClose");
}

}  // namespace cairn
