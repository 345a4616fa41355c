#include "errors.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace cairn {

namespace {

std::string describe(int number, const std::string& syscall, const std::string& path, const std::string& destination) {
  const char* name = strerrorname_np(number);
  const char* meaning = strerrordesc_np(number);
  std::string text = name != nullptr ? name : "EUNKNOWN";
  text.append(": ").append(meaning != nullptr ? meaning : "unknown error").append(", ").append(syscall);
  if (!path.empty()) text.append(" '").append(path).append("'");
  if (!destination.empty()) text.append(" -> '").append(destination).append("'");
  return text;
}

Napi::Error withCode(Napi::Env env, const char* message, const char* code) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", code);
  return error;
}

}  // namespace

SystemError::SystemError(int number, std::string syscall, std::string path, std::string destination)
    : std::runtime_error(describe(number, syscall, path, destination)),
      number_(number),
      syscall_(std::move(syscall)),
      path_(std::move(path)),
      destination_(std::move(destination)) {}

void throwErrno(const char* syscall, const std::string& path) { throw SystemError(errno, syscall, path); }

Napi::Error toJsError(Napi::Env env, const SystemError& error) {
  const char* name = strerrorname_np(error.number());
  Napi::Error result = withCode(env, error.what(), name ? name : "EUNKNOWN");
  Napi::Object fields = result.Value();
  fields.Set("errno", -error.number());
  fields.Set("syscall", error.syscall());
  if (!error.path().empty()) fields.Set("path", error.path());
  if (!error.destination().empty()) fields.Set("dest", error.destination());
  return result;
}

Napi::Error toJsError(Napi::Env env, std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const SystemError& system) {
    return toJsError(env, system);
  } catch (const CorruptError& corrupt) {
    return withCode(env, corrupt.what(), "CAIRN_CORRUPT");
  } catch (const UnsupportedError& unsupported) {
    return withCode(env, unsupported.what(), "CAIRN_UNSUPPORTED");
  } catch (const std::bad_alloc&) {
    return withCode(env, "ENOMEM: out of memory", "ENOMEM");
  } catch (const std::exception& other) {
    return Napi::Error::New(env, other.what());
  } catch (...) {
    return Napi::Error::New(env, "Unknown error in the native addon");
  }
}

}  // namespace cairn
