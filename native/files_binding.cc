#include "arguments.h"
#include "capabilities.h"
#include "descriptor.h"
#include "files.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

double number(uint64_t value) { return static_cast<double>(value); }

/** A job without result. */
template <class Run>
Napi::Value startVoid(Napi::Env env, Run run) {
  return startJob(env, {}, std::move(run), [](Napi::Env on) { return on.Undefined(); });
}

/** A job that ends in a Buffer. */
template <class Read>
Napi::Value startRead(Napi::Env env, Read read) {
  const auto bytes = std::make_shared<FileBytes>();
  return startJob(
      env, {}, [=] { *bytes = read(); },
      [=](Napi::Env on) { return toBuffer(on, std::move(bytes->memory), bytes->size); });
}

/** An array of paths. */
std::vector<std::string> pathsOf(const Napi::Value& value) {
  const Napi::Array given = value.As<Napi::Array>();
  std::vector<std::string> paths;
  paths.reserve(given.Length());
  for (uint32_t at = 0; at < given.Length(); at++) paths.push_back(pathOf(given[at]));
  return paths;
}

/** A job that ends in an array of booleans. */
template <class Run>
Napi::Value startEach(Napi::Env env, Run run) {
  const auto results = std::make_shared<std::vector<bool>>();
  return startJob(
      env, {}, [results, run = std::move(run)] { *results = run(); },
      [results](Napi::Env on) {
        Napi::Array array = Napi::Array::New(on, results->size());
        for (uint32_t at = 0; at < results->size(); at++) array.Set(at, Napi::Boolean::New(on, (*results)[at]));
        return array;
      });
}

/** (path, temporary path, bytes, mode, when to sync: a number of `PutSync`) */
Napi::Value put(const Napi::CallbackInfo& info) {
  const Bytes bytes = bytesOf(info[2]);
  const PutOptions options{info[3].As<Napi::Number>().Uint32Value(),
                           static_cast<PutSync>(info[4].As<Napi::Number>().Uint32Value())};
  return startJob(
      info.Env(), {info[2]},
      [path = pathOf(info[0]), temporary = pathOf(info[1]), bytes, options] {
        putFile(path, temporary, bytes, options);
      },
      [](Napi::Env env) { return env.Undefined(); });
}

/** (paths, temporary paths, an array of Uint8Arrays for each, mode) For each undefined, or the Error. */
Napi::Value putNew(const Napi::CallbackInfo& info) {
  const std::vector<std::string> paths = pathsOf(info[0]);
  const std::vector<std::string> temporaries = pathsOf(info[1]);
  const Napi::Array contents = info[2].As<Napi::Array>();
  const mode_t mode = info[3].As<Napi::Number>().Uint32Value();
  std::vector<PutFile> files;
  files.reserve(paths.size());
  for (uint32_t at = 0; at < paths.size(); at++) {
    const Napi::Array runs = contents.Get(at).As<Napi::Array>();
    PutFile file{paths[at], temporaries[at], {}};
    for (uint32_t run = 0; run < runs.Length(); run++) file.parts.push_back(bytesOf(runs.Get(run)));
    files.push_back(std::move(file));
  }
  const auto failures = std::make_shared<std::vector<std::exception_ptr>>();
  return startJob(
      info.Env(), {info[2]},
      [failures, mode, files = std::move(files)] { *failures = putNewFiles(files, mode); },
      [failures](Napi::Env env) {
        Napi::Array results = Napi::Array::New(env, failures->size());
        for (uint32_t at = 0; at < failures->size(); at++) {
          const std::exception_ptr& failure = (*failures)[at];
          results.Set(at, failure == nullptr ? env.Undefined() : toJsError(env, failure).Value());
        }
        return results;
      });
}

/** (paths) */
Napi::Value standing(const Napi::CallbackInfo& info) {
  return startEach(info.Env(), [paths = pathsOf(info[0])] { return whichMayStand(paths); });
}

Napi::Value read(const Napi::CallbackInfo& info) {
  return startRead(info.Env(), [path = pathOf(info[0])] { return readFile(path); });
}

Napi::Value readPart(const Napi::CallbackInfo& info) {
  return startRead(info.Env(), [path = pathOf(info[0]), offset = unsignedOf(info[1]), length = unsignedOf(info[2])] {
    return readRange(path, offset, length);
  });
}

/** A copy of the caller's descriptor. */
std::shared_ptr<Descriptor> heldCopy(const Napi::Value& descriptor) {
  const int copy = fcntl(descriptor.As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throwErrno("fcntl", "");
  return std::make_shared<Descriptor>(copy);
}

/** The caller may close the descriptor while its file is read. */
Napi::Value readOpen(const Napi::CallbackInfo& info) {
  const auto held = heldCopy(info[0]);
  return startRead(info.Env(), [held, offset = unsignedOf(info[1]), length = unsignedOf(info[2])] {
    return readDescriptor(held->number(), offset, length);
  });
}

/** (descriptor, offset, bytes) The caller may close the descriptor meanwhile. */
Napi::Value writeOpen(const Napi::CallbackInfo& info) {
  const auto held = heldCopy(info[0]);
  return startJob(
      info.Env(), {info[2]},
      [held, offset = unsignedOf(info[1]), bytes = bytesOf(info[2])] {
        writeOut(held->number(), offset, bytes);
      },
      [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value touch(const Napi::CallbackInfo& info) {
  const auto size = std::make_shared<std::optional<uint64_t>>();
  return startJob(
      info.Env(), {}, [size, path = pathOf(info[0])] { *size = touchFile(path); },
      [size](Napi::Env env) -> Napi::Value {
        if (!size->has_value()) return env.Undefined();
        return Napi::Number::New(env, number(**size));
      });
}

Napi::Value sizeOf(const Napi::CallbackInfo& info) {
  const auto size = std::make_shared<uint64_t>(0);
  return startJob(
      info.Env(), {}, [size, path = pathOf(info[0])] { *size = fileSize(path); },
      [size](Napi::Env env) { return Napi::Number::New(env, number(*size)); });
}

Napi::Value removePath(const Napi::CallbackInfo& info) {
  const auto removed = std::make_shared<bool>(false);
  return startJob(
      info.Env(), {}, [removed, path = pathOf(info[0])] { *removed = removeFile(path); },
      [removed](Napi::Env env) { return Napi::Boolean::New(env, *removed); });
}

Napi::Value renamePath(const Napi::CallbackInfo& info) {
  return startVoid(info.Env(), [from = pathOf(info[0]), to = pathOf(info[1])] { renameFile(from, to); });
}

/** (paths, paths of the same number) */
Napi::Value renameAll(const Napi::CallbackInfo& info) {
  return startEach(info.Env(), [from = pathsOf(info[0]), to = pathsOf(info[1])] { return renameFiles(from, to); });
}

/** (paths) */
Napi::Value removeAll(const Napi::CallbackInfo& info) {
  return startEach(info.Env(), [paths = pathsOf(info[0])] { return removeFiles(paths); });
}

Napi::Value linkPath(const Napi::CallbackInfo& info) {
  return startVoid(info.Env(), [from = pathOf(info[0]), to = pathOf(info[1])] { linkFile(from, to); });
}

Napi::Value syncOne(const Napi::CallbackInfo& info) {
  const bool folder = info[1].As<Napi::Boolean>().Value();
  return startVoid(info.Env(), [path = pathOf(info[0]), folder] { syncPath(path, folder); });
}

Napi::Value syncAll(const Napi::CallbackInfo& info) {
  return startVoid(info.Env(), [path = pathOf(info[0])] { syncFileSystem(path); });
}

/** `{ names: Buffer, ends: number[], types: Buffer }` */
Napi::Value toJs(Napi::Env env, const Listing& listing) {
  Napi::Array ends = Napi::Array::New(env, listing.ends.size());
  for (uint32_t at = 0; at < listing.ends.size(); at++) ends.Set(at, listing.ends[at]);
  Napi::Object result = Napi::Object::New(env);
  result.Set("names", Napi::Buffer<char>::Copy(env, listing.names.data(), listing.names.size()));
  result.Set("ends", ends);
  const auto* types = reinterpret_cast<const uint8_t*>(listing.types.data());
  result.Set("types", Napi::Buffer<uint8_t>::Copy(env, types, listing.types.size()));
  return result;
}

Napi::Value list(const Napi::CallbackInfo& info) {
  const auto listing = std::make_shared<Listing>();
  return startJob(
      info.Env(), {}, [listing, path = pathOf(info[0])] { *listing = listFolder(path); },
      [listing](Napi::Env env) { return toJs(env, *listing); });
}

Napi::Value figures(const Napi::CallbackInfo& info) {
  const auto found = std::make_shared<FileSystemFigures>();
  const auto resolve = [found](Napi::Env env) {
    Napi::Object result = Napi::Object::New(env);
    result.Set("totalBytes", number(found->totalBytes));
    result.Set("freeBytes", number(found->freeBytes));
    result.Set("availableBytes", number(found->availableBytes));
    result.Set("totalFiles", number(found->totalFiles));
    result.Set("freeFiles", number(found->freeFiles));
    return result;
  };
  return startJob(info.Env(), {}, [found, path = pathOf(info[0])] { *found = fileSystemFigures(path); }, resolve);
}

Napi::Value makeAll(const Napi::CallbackInfo& info) {
  const mode_t mode = info[1].As<Napi::Number>().Uint32Value();
  return startVoid(info.Env(), [paths = pathsOf(info[0]), mode] { makeFolders(paths, mode); });
}

Napi::Value reserve(const Napi::CallbackInfo& info) {
  return startVoid(info.Env(), [path = pathOf(info[0]), bytes = unsignedOf(info[1])] { reserveFile(path, bytes); });
}

}  // namespace

void initFiles(Napi::Env env, Napi::Object exports) {
  Napi::Array types = Napi::Array::New(env);
  for (uint32_t type = 0; type < kFileTypeNames.size(); type++) types.Set(type, kFileTypeNames[type]);
  exports.Set("fileTypes", types);
  exportFunction<put>(env, exports, "putFile");
  exportFunction<putNew>(env, exports, "putNewFiles");
  exportFunction<standing>(env, exports, "whichMayStand");
  exportFunction<read>(env, exports, "readFile");
  exportFunction<readPart>(env, exports, "readRange");
  exportFunction<readOpen>(env, exports, "readDescriptor");
  exportFunction<writeOpen>(env, exports, "writeOut");
  exportFunction<touch>(env, exports, "touchFile");
  exportFunction<sizeOf>(env, exports, "fileSize");
  exportFunction<removePath>(env, exports, "removeFile");
  exportFunction<renamePath>(env, exports, "renameFile");
  exportFunction<renameAll>(env, exports, "renameFiles");
  exportFunction<removeAll>(env, exports, "removeFiles");
  exportFunction<linkPath>(env, exports, "linkFile");
  exportFunction<syncOne>(env, exports, "syncPath");
  exportFunction<syncAll>(env, exports, "syncFileSystem");
  exportFunction<list>(env, exports, "listFolder");
  exportFunction<figures>(env, exports, "fileSystemFigures");
  exportFunction<makeAll>(env, exports, "makeFolders");
  exportFunction<reserve>(env, exports, "reserveFile");
}

}  // namespace cairn
