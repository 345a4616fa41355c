#include <malloc.h>

#include "capabilities.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

Napi::Value returnFreedMemory(const Napi::CallbackInfo& info) {
  return startJob(
      info.Env(), {},
      [] {
#ifdef __GLIBC__
        malloc_trim(0);
#endif
      },
      [](Napi::Env env) { return env.Undefined(); });
}

}  // namespace

void initHeap(Napi::Env env, Napi::Object exports) {
#ifdef M_ARENA_MAX
  // A dozen threads would each get a heap of their own, and what one frees another could not use: the daemon's memory
  // would grow with the number of threads that were ever busy. Threads that run by now have theirs.
  mallopt(M_ARENA_MAX, 2);
#endif
  exportFunction<returnFreedMemory>(env, exports, "returnFreedMemory");
}

}  // namespace cairn
