#include <algorithm>
#include <array>
#include <memory>

#include "arguments.h"
#include "capabilities.h"
#include "guard.h"
#include "handle.h"
#include "pool.h"
#include "source.h"

namespace cairn {

namespace {

using DescriptorHandle = Handle<Descriptor>;

/** As `startJob`, where nothing that the mount needs has to wait for it. */
template <class Run, class Resolve>
Napi::Promise startSourceJob(Napi::Env env, std::initializer_list<Napi::Value> kept, Run run, Resolve resolve) {
  return startJob(env, kept, std::move(run), std::move(resolve), Pool::ofOthersFiles());
}

/** An open file or folder; it closes when its handle does and no job uses it. */
Napi::Value toHandle(Napi::Env env, Descriptor& descriptor) {
  return DescriptorHandle::create(env, std::make_shared<Descriptor>(std::move(descriptor)));
}

/** How a SourceStatus goes to JS: these numbers, in this order. An inode number may have 64 bits. */
constexpr size_t kStatusNumbers = 16;

void putStatus(const SourceStatus& status, double* to) {
  const std::array<double, kStatusNumbers> numbers = {
      double(status.mode),     double(status.uid),       double(status.gid),
      double(status.nlink),    double(status.major),     double(status.minor),
      double(status.size),     double(status.device),    double(status.inode >> 32),
      double(status.inode & 0xffffffff),                 double(status.mtimeSec),
      double(status.mtimeNsec), double(status.ctimeSec), double(status.ctimeNsec),
      double(status.btimeSec), double(status.btimeNsec)};
  std::copy(numbers.begin(), numbers.end(), to);
}

Napi::Value statusToJs(Napi::Env env, const SourceStatus& status) {
  Napi::Float64Array numbers = Napi::Float64Array::New(env, kStatusNumbers);
  putStatus(status, numbers.Data());
  return numbers;
}

Napi::Value xattrsToJs(Napi::Env env, const std::vector<SourceXattr>& xattrs) {
  Napi::Array array = Napi::Array::New(env, xattrs.size() * 2);
  uint32_t at = 0;
  for (const SourceXattr& xattr : xattrs) {
    array.Set(at++, Napi::Buffer<char>::Copy(env, xattr.name.data(), xattr.name.size()));
    array.Set(at++, Napi::Buffer<char>::Copy(env, xattr.value.data(), xattr.value.size()));
  }
  return array;
}

/**
 * `{ names: Buffer, ends: Uint32Array, errors: Int32Array, known: Uint8Array, statuses: Float64Array,
 *    targets: sparse array of Buffers, xattrs: sparse array of [name, value, …] }`
 */
Napi::Object entriesToJs(Napi::Env env, const std::vector<const SourceEntry*>& entries) {
  const size_t count = entries.size();
  std::string names;
  Napi::Uint32Array ends = Napi::Uint32Array::New(env, count);
  Napi::Int32Array errors = Napi::Int32Array::New(env, count);
  Napi::Uint8Array known = Napi::Uint8Array::New(env, count);
  Napi::Float64Array statuses = Napi::Float64Array::New(env, count * kStatusNumbers);
  Napi::Object targets = Napi::Object::New(env);
  Napi::Object xattrs = Napi::Object::New(env);
  for (uint32_t at = 0; at < count; at++) {
    const SourceEntry& entry = *entries[at];
    names += entry.name;
    ends[at] = static_cast<uint32_t>(names.size());
    errors[at] = entry.error;
    known[at] = entry.known ? 1 : 0;
    putStatus(entry.status, statuses.Data() + at * kStatusNumbers);
    if (!entry.target.empty()) targets.Set(at, Napi::Buffer<char>::Copy(env, entry.target.data(), entry.target.size()));
    if (!entry.xattrs.empty()) xattrs.Set(at, xattrsToJs(env, entry.xattrs));
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("names", Napi::Buffer<char>::Copy(env, names.data(), names.size()));
  result.Set("ends", ends);
  result.Set("errors", errors);
  result.Set("known", known);
  result.Set("statuses", statuses);
  result.Set("targets", targets);
  result.Set("xattrs", xattrs);
  return result;
}

/** (parent or undefined, name) */
Napi::Value scanFolderLater(const Napi::CallbackInfo& info) {
  const auto folder = std::make_shared<SourceFolder>();
  const std::shared_ptr<Descriptor> parent = info[0].IsUndefined() ? nullptr : DescriptorHandle::open(info[0]);
  return startSourceJob(
      info.Env(), {},
      [folder, parent, name = pathOf(info[1])] {
        *folder = scanFolder(parent == nullptr ? -1 : parent->number(), name);
      },
      [folder](Napi::Env env) {
        std::vector<const SourceEntry*> entries{&folder->self};
        for (const SourceEntry& entry : folder->entries) entries.push_back(&entry);
        Napi::Object result = entriesToJs(env, entries);
        result.Set("handle", toHandle(env, folder->descriptor));
        return result;
      });
}

/** (parent, name) */
Napi::Value scanEntryLater(const Napi::CallbackInfo& info) {
  const auto entry = std::make_shared<SourceEntry>();
  const std::shared_ptr<Descriptor> parent = DescriptorHandle::open(info[0]);
  return startSourceJob(
      info.Env(), {}, [entry, parent, name = pathOf(info[1])] { *entry = scanEntry(parent->number(), name); },
      [entry](Napi::Env env) { return entriesToJs(env, {entry.get()}); });
}

/** (parents, names, sizes, offsets: arrays of one length, out) */
Napi::Value readSmallLater(const Napi::CallbackInfo& info) {
  const Napi::Array parents = info[0].As<Napi::Array>();
  const Napi::Array names = info[1].As<Napi::Array>();
  const Napi::Array sizes = info[2].As<Napi::Array>();
  const Napi::Array offsets = info[3].As<Napi::Array>();
  std::vector<SourceFile> files;
  files.reserve(parents.Length());
  for (uint32_t at = 0; at < parents.Length(); at++) {
    files.push_back({DescriptorHandle::open(parents.Get(at)), pathOf(names.Get(at)), unsignedOf(sizes.Get(at)),
                     unsignedOf(offsets.Get(at))});
  }
  const std::span<uint8_t> out = bytesOf(info[4]);
  for (const SourceFile& file : files) {
    if (file.offset + file.size > out.size()) throw Napi::TypeError::New(info.Env(), "no room for a file");
  }
  const auto read = std::make_shared<std::vector<SmallFile>>();
  return startSourceJob(
      info.Env(), {info[4]},
      [read, files = std::move(files), out] { *read = readSmallFiles(files, out.data()); },
      [read](Napi::Env env) {
        const size_t count = read->size();
        Napi::Int32Array errors = Napi::Int32Array::New(env, count);
        Napi::Uint8Array flags = Napi::Uint8Array::New(env, count);
        Napi::Float64Array bytes = Napi::Float64Array::New(env, count);
        Napi::Float64Array statuses = Napi::Float64Array::New(env, count * kStatusNumbers);
        std::vector<Digest> digests;
        digests.reserve(count);
        for (size_t at = 0; at < count; at++) {
          const SmallFile& file = (*read)[at];
          errors[at] = file.error;
          flags[at] = static_cast<uint8_t>((file.changed ? 1 : 0) | (file.fresh ? 2 : 0));
          bytes[at] = double(file.bytes);
          putStatus(file.status, statuses.Data() + at * kStatusNumbers);
          digests.push_back(file.digest);
        }
        Napi::Object result = Napi::Object::New(env);
        result.Set("errors", errors);
        result.Set("flags", flags);
        result.Set("bytes", bytes);
        result.Set("statuses", statuses);
        result.Set("digests", toBuffer(env, digests));
        return result;
      });
}

/** (parent, name) */
Napi::Value openSourceLater(const Napi::CallbackInfo& info) {
  const auto source = std::make_shared<OpenSource>();
  const std::shared_ptr<Descriptor> parent = DescriptorHandle::open(info[0]);
  return startSourceJob(
      info.Env(), {}, [source, parent, name = pathOf(info[1])] { *source = openSource(parent->number(), name); },
      [source](Napi::Env env) {
        Napi::Object result = Napi::Object::New(env);
        result.Set("status", statusToJs(env, source->status));
        result.Set("fresh", source->fresh);
        result.Set("handle", toHandle(env, source->descriptor));
        return result;
      });
}

Napi::Value statusNow(const Napi::CallbackInfo& info) {
  return statusToJs(info.Env(), statusOfSource(DescriptorHandle::open(info[0])->number()));
}

Napi::Value closeNow(const Napi::CallbackInfo& info) {
  DescriptorHandle::of(info[0]).object.reset();
  return info.Env().Undefined();
}

/** (file, offset, out) */
Napi::Value readIntoLater(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Descriptor> file = DescriptorHandle::open(info[0]);
  const std::span<uint8_t> out = bytesOf(info[2]);
  const auto bytes = std::make_shared<size_t>(0);
  return startSourceJob(
      info.Env(), {info[2]},
      [=, offset = unsignedOf(info[1])] { *bytes = readInto(file->number(), offset, out.data(), out.size()); },
      [bytes](Napi::Env env) { return Napi::Number::New(env, double(*bytes)); });
}

/** (file, from, size, limit) → [searched, start, end, …] */
Napi::Value dataRangesLater(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Descriptor> file = DescriptorHandle::open(info[0]);
  const auto found = std::make_shared<DataRanges>();
  return startSourceJob(
      info.Env(), {},
      [=, from = unsignedOf(info[1]), size = unsignedOf(info[2]), limit = unsignedOf(info[3])] {
        *found = dataRanges(file->number(), from, size, limit);
      },
      [found](Napi::Env env) {
        Napi::Array array = Napi::Array::New(env, 1 + found->ranges.size() * 2);
        uint32_t at = 0;
        array.Set(at++, double(found->searched));
        for (const auto& [start, end] : found->ranges) {
          array.Set(at++, double(start));
          array.Set(at++, double(end));
        }
        return array;
      });
}

}  // namespace

void initSource(Napi::Env env, Napi::Object exports) {
  exports.Set("statusNumbers", double(kStatusNumbers));
  exportFunction<scanFolderLater>(env, exports, "scanFolder");
  exportFunction<scanEntryLater>(env, exports, "scanEntry");
  exportFunction<readSmallLater>(env, exports, "readSmallFiles");
  exportFunction<openSourceLater>(env, exports, "openSource");
  exportFunction<statusNow>(env, exports, "sourceStatus");
  exportFunction<closeNow>(env, exports, "closeSource");
  exportFunction<readIntoLater>(env, exports, "readInto");
  exportFunction<dataRangesLater>(env, exports, "dataRanges");
}

}  // namespace cairn
