#include <memory>

#include "arguments.h"
#include "capabilities.h"
#include "guard.h"
#include "new_files.h"
#include "pool.h"

namespace cairn {

namespace {

/** What is told of a file in numbers, in this order: src/native/new-files.ts writes them. */
enum Number { kFolder, kMode, kUid, kGid, kAtimeSec, kAtimeNsec, kMtimeSec, kMtimeNsec, kNumbers };

timespec timeOf(const double* numbers) { return {static_cast<time_t>(numbers[0]), static_cast<long>(numbers[1])}; }

std::vector<NewFile> newFilesOf(const Napi::CallbackInfo& info) {
  const Napi::Float64Array numbers = info[0].As<Napi::Float64Array>();
  const Napi::Array temporaries = info[1].As<Napi::Array>();
  const Napi::Array names = info[2].As<Napi::Array>();
  const Napi::Array contents = info[3].As<Napi::Array>();
  std::vector<NewFile> files;
  files.reserve(names.Length());
  for (uint32_t at = 0; at < names.Length(); at++) {
    const double* of = numbers.Data() + size_t{at} * kNumbers;
    files.push_back(NewFile{static_cast<int>(of[kFolder]), pathOf(temporaries[at]), pathOf(names[at]),
                            bytesOf(contents[at]), static_cast<uint32_t>(of[kMode]), static_cast<uint32_t>(of[kUid]),
                            static_cast<uint32_t>(of[kGid]), {timeOf(of + kAtimeSec), timeOf(of + kMtimeSec)}});
  }
  return files;
}

/** (numbers, temporaries, names, contents: of as many files; asAllowed) */
Napi::Value makeNewFilesLater(const Napi::CallbackInfo& info) {
  const auto made = std::make_shared<std::vector<bool>>();
  const Ownership ownership = info[4].As<Napi::Boolean>().Value() ? Ownership::asAllowed : Ownership::asTold;
  return startJob(
      info.Env(), {info[3]}, [made, ownership, files = newFilesOf(info)] { *made = makeNewFiles(files, ownership); },
      [made](Napi::Env env) {
        Napi::Uint8Array flags = Napi::Uint8Array::New(env, made->size());
        for (size_t at = 0; at < made->size(); at++) flags[at] = (*made)[at] ? 1 : 0;
        return flags;
      });
}

}  // namespace

void initNewFiles(Napi::Env env, Napi::Object exports) {
  exportFunction<makeNewFilesLater>(env, exports, "makeNewFiles");
}

}  // namespace cairn
