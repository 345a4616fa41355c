#include <sys/socket.h>

#include "arguments.h"
#include "capabilities.h"
#include "errors.h"
#include "guard.h"

namespace cairn {

namespace {

/** (descriptor of a connected unix socket): who connected, or listened, as the kernel noted it then */
Napi::Value socketPeer(const Napi::CallbackInfo& info) {
  ucred peer{};
  socklen_t length = sizeof peer;
  const int descriptor = static_cast<int>(unsignedOf(info[0]));
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) throwErrno("getsockopt");
  Napi::Object result = Napi::Object::New(info.Env());
  result["pid"] = Napi::Number::New(info.Env(), peer.pid);
  result["uid"] = Napi::Number::New(info.Env(), peer.uid);
  return result;
}

}  // namespace

void initPeer(Napi::Env env, Napi::Object exports) { exportFunction<socketPeer>(env, exports, "socketPeer"); }

}  // namespace cairn
