#pragma once

#include <napi.h>

#include <memory>
#include <utility>

namespace cairn {

/** What every External of this addon points to: tells kinds of handles apart before a cast. */
struct HandleBase {
  const void* kind;
};

/** A native object in JS hands: an External that owns a share of it until it is closed or collected. */
template <class T>
struct Handle : HandleBase {
  std::shared_ptr<T> object;

  static const void* kindOfT() {
    static const char tag = 0;
    return &tag;
  }

  static Napi::Value create(Napi::Env env, std::shared_ptr<T> object) {
    auto handle = std::make_unique<Handle>();
    handle->kind = kindOfT();
    handle->object = std::move(object);
    const Napi::Value value =
        Napi::External<HandleBase>::New(env, handle.get(), [](Napi::Env, HandleBase* base) { delete &of(*base); });
    handle.release();
    return value;
  }

  /** Throws TypeError where the value is no handle of a T. */
  static Handle& of(const Napi::Value& value) {
    void* data = nullptr;
    if (napi_get_value_external(value.Env(), value, &data) != napi_ok ||
        static_cast<HandleBase*>(data)->kind != kindOfT()) {
      throw Napi::TypeError::New(value.Env(), "Not a handle of this kind");
    }
    return of(*static_cast<HandleBase*>(data));
  }

  /** The object; throws where the handle was closed. */
  static const std::shared_ptr<T>& open(const Napi::Value& value) {
    Handle& handle = of(value);
    if (handle.object == nullptr) throw Napi::Error::New(value.Env(), "Used after it was closed");
    return handle.object;
  }

 private:
  static Handle& of(HandleBase& base) { return static_cast<Handle&>(base); }
};

}  // namespace cairn
