#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "arguments.h"
#include "capabilities.h"
#include "errors.h"
#include "guard.h"

namespace cairn {

namespace {

/** What an operation is about: an open file, or a path whose last component is not followed. */
struct Target {
  int descriptor = -1;
  std::string path;

  bool open() const { return descriptor >= 0; }
};

Target targetOf(const Napi::Value& value) {
  if (value.IsNumber()) return Target{value.As<Napi::Number>().Int32Value(), {}};
  return Target{-1, pathOf(value)};
}

[[noreturn]] void fail(const char* call, const Target& target) { throwErrno(call, target.path); }

timespec timeOf(const Napi::Value& seconds, const Napi::Value& nanoseconds) {
  return {static_cast<time_t>(seconds.As<Napi::Number>().Int64Value()),
          static_cast<long>(nanoseconds.As<Napi::Number>().Int64Value())};
}

Napi::Value setTimes(const Napi::CallbackInfo& info) {
  const Target target = targetOf(info[0]);
  const timespec times[2] = {timeOf(info[1], info[2]), timeOf(info[3], info[4])};
  const int result = target.open() ? futimens(target.descriptor, times)
                                   : utimensat(AT_FDCWD, target.path.c_str(), times, AT_SYMLINK_NOFOLLOW);
  if (result != 0) fail("utimensat", target);
  return info.Env().Undefined();
}

Napi::Value setXattr(const Napi::CallbackInfo& info) {
  const Target target = targetOf(info[0]);
  const std::string name = pathOf(info[1]);
  const std::span<uint8_t> value = bytesOf(info[2]);
  const int result = target.open() ? fsetxattr(target.descriptor, name.c_str(), value.data(), value.size(), 0)
                                   : lsetxattr(target.path.c_str(), name.c_str(), value.data(), value.size(), 0);
  if (result != 0) fail("setxattr", target);
  return info.Env().Undefined();
}

Napi::Value removeXattr(const Napi::CallbackInfo& info) {
  const Target target = targetOf(info[0]);
  const std::string name = pathOf(info[1]);
  const int result = target.open() ? fremovexattr(target.descriptor, name.c_str())
                                   : lremovexattr(target.path.c_str(), name.c_str());
  if (result != 0) fail("removexattr", target);
  return info.Env().Undefined();
}

/** Asks for a size first and again where it grew in between. */
template <class Ask>
std::vector<uint8_t> grown(const char* call, const Target& target, Ask ask) {
  std::vector<uint8_t> bytes;
  for (;;) {
    const ssize_t size = ask(nullptr, 0);
    if (size < 0) fail(call, target);
    bytes.resize(static_cast<size_t>(size));
    const ssize_t got = ask(bytes.data(), bytes.size());
    if (got >= 0) {
      bytes.resize(static_cast<size_t>(got));
      return bytes;
    }
    if (errno != ERANGE) fail(call, target);
  }
}

Napi::Value toBytes(Napi::Env env, const std::vector<uint8_t>& bytes) {
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
}

Napi::Value xattrNames(const Napi::CallbackInfo& info) {
  const Target target = targetOf(info[0]);
  const auto names = grown("listxattr", target, [&](uint8_t* out, size_t size) {
    char* text = reinterpret_cast<char*>(out);
    return target.open() ? flistxattr(target.descriptor, text, size) : llistxattr(target.path.c_str(), text, size);
  });
  return toBytes(info.Env(), names);
}

Napi::Value xattrValue(const Napi::CallbackInfo& info) {
  const Target target = targetOf(info[0]);
  const std::string name = pathOf(info[1]);
  const auto value = grown("getxattr", target, [&](uint8_t* out, size_t size) {
    return target.open() ? fgetxattr(target.descriptor, name.c_str(), out, size)
                         : lgetxattr(target.path.c_str(), name.c_str(), out, size);
  });
  return toBytes(info.Env(), value);
}

Napi::Value makeNode(const Napi::CallbackInfo& info) {
  const std::string path = pathOf(info[0]);
  const auto mode = info[1].As<Napi::Number>().Uint32Value();
  const auto device = makedev(info[2].As<Napi::Number>().Uint32Value(), info[3].As<Napi::Number>().Uint32Value());
  if (mknod(path.c_str(), mode, device) != 0) throwErrno("mknod", path);
  return info.Env().Undefined();
}

}  // namespace

void initNodeAttributes(Napi::Env env, Napi::Object exports) {
  exportFunction<setTimes>(env, exports, "setTimes");
  exportFunction<setXattr>(env, exports, "setXattr");
  exportFunction<removeXattr>(env, exports, "removeXattr");
  exportFunction<xattrNames>(env, exports, "xattrNames");
  exportFunction<xattrValue>(env, exports, "xattrValue");
  exportFunction<makeNode>(env, exports, "makeNode");
}

}  // namespace cairn
