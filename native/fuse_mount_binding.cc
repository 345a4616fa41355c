#include <napi.h>
#include <sys/mount.h>

#include <memory>
#include <string>

#include "arguments.h"
#include "fuse_mount.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

using Info = Napi::CallbackInfo;

/** (mountpoint, type, source, nosuid and nodev, read only, options): promise of the descriptor */
Napi::Value mountRoot(const Info& info) {
  const std::string mountpoint = pathOf(info[0]);
  const std::string type = info[1].As<Napi::String>();
  const std::string source = info[2].As<Napi::String>();
  const unsigned long flags = (info[3].ToBoolean() ? MS_NOSUID | MS_NODEV : 0) | (info[4].ToBoolean() ? MS_RDONLY : 0);
  const std::string options = info[5].As<Napi::String>();
  auto descriptor = std::make_shared<int>(-1);
  return startJob(
      info.Env(), {}, [=] { *descriptor = mountAsRoot(mountpoint, type, source, flags, options); },
      [=](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *descriptor); });
}

/** (program, mountpoint, options): promise of the descriptor */
Napi::Value mountHelper(const Info& info) {
  const std::string program = info[0].As<Napi::String>();
  const std::string mountpoint = pathOf(info[1]);
  const std::string options = info[2].As<Napi::String>();
  auto descriptor = std::make_shared<int>(-1);
  return startJob(
      info.Env(), {}, [=] { *descriptor = mountWithHelper(program, mountpoint, options); },
      [=](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *descriptor); });
}

/** (mountpoint, lazy, force) */
Napi::Value unmountRoot(const Info& info) {
  const std::string mountpoint = pathOf(info[0]);
  const bool lazy = info[1].ToBoolean();
  const bool force = info[2].ToBoolean();
  return startJob(
      info.Env(), {}, [=] { unmountAsRoot(mountpoint, lazy, force); }, [](Napi::Env env) { return env.Undefined(); });
}

/** (program, mountpoint, lazy) */
Napi::Value unmountHelper(const Info& info) {
  const std::string program = info[0].As<Napi::String>();
  const std::string mountpoint = pathOf(info[1]);
  const bool lazy = info[2].ToBoolean();
  return startJob(
      info.Env(), {}, [=] { unmountWithHelper(program, mountpoint, lazy); },
      [](Napi::Env env) { return env.Undefined(); });
}

/** (mountpoint): promise of 0 or the errno */
Napi::Value probe(const Info& info) {
  const std::string mountpoint = pathOf(info[0]);
  auto error = std::make_shared<int>(0);
  return startJob(
      info.Env(), {}, [=] { *error = probeMount(mountpoint); },
      [=](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *error); });
}

}  // namespace

}  // namespace cairn

void initFuseMount(Napi::Env env, Napi::Object exports) {
  using namespace cairn;
  exportFunction<mountRoot>(env, exports, "fuseMountRoot");
  exportFunction<mountHelper>(env, exports, "fuseMountHelper");
  exportFunction<unmountRoot>(env, exports, "fuseUnmountRoot");
  exportFunction<unmountHelper>(env, exports, "fuseUnmountHelper");
  exportFunction<probe>(env, exports, "fuseProbeMount");
}
