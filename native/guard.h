#pragma once

#include <napi.h>

#include <exception>

#include "errors.h"

namespace cairn {

using Function = Napi::Value (*)(const Napi::CallbackInfo&);

/** Adds a function to the addon's exports; what it throws, of C++ or the system, becomes the JS Error for it. */
template <Function function>
void exportFunction(Napi::Env env, Napi::Object exports, const char* name) {
  const auto guarded = [](const Napi::CallbackInfo& info) -> Napi::Value {
    try {
      return function(info);
    } catch (const Napi::Error&) {
      throw;
    } catch (...) {
      throw toJsError(info.Env(), std::current_exception());
    }
  };
  exports.Set(name, Napi::Function::New(env, guarded, name));
}

}  // namespace cairn
