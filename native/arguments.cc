#include "arguments.h"

#include <cmath>

namespace cairn {

namespace {

constexpr size_t kCopiedBytes = 32u << 10;  // below this a copy is cheaper than a buffer with a finalizer
constexpr double kMaxSafeInteger = 9007199254740991.0;

}  // namespace

std::span<uint8_t> bytesOf(const Napi::Value& value) {
  napi_typedarray_type type{};
  size_t length = 0;
  void* data = nullptr;
  const napi_status status =
      napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr);
  if (status != napi_ok || type != napi_uint8_array) throw Napi::TypeError::New(value.Env(), "Not a Uint8Array");
  return {static_cast<uint8_t*>(data), length};
}

Digest digestOf(const Napi::Value& value) {
  const std::span<uint8_t> bytes = bytesOf(value);
  Digest digest;
  if (bytes.size() != digest.size()) throw Napi::TypeError::New(value.Env(), "Not a digest of 32 bytes");
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return digest;
}

uint64_t unsignedOf(const Napi::Value& value) {
  double number = -1;
  const napi_status status = napi_get_value_double(value.Env(), value, &number);
  if (status != napi_ok || !(number >= 0) || number > kMaxSafeInteger || std::floor(number) != number) {
    throw Napi::TypeError::New(value.Env(), "Not an integer from 0 to 2^53 - 1");
  }
  return static_cast<uint64_t>(number);
}

std::string pathOf(const Napi::Value& value) {
  if (value.IsString()) return value.As<Napi::String>().Utf8Value();
  const std::span<uint8_t> bytes = bytesOf(value);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Napi::Value toJs(Napi::Env env, const Digest& digest) {
  return Napi::Buffer<uint8_t>::Copy(env, digest.data(), digest.size());
}

Napi::Value toBuffer(Napi::Env env, Memory memory, size_t size, size_t start) {
  if (size < kCopiedBytes) return Napi::Buffer<uint8_t>::Copy(env, memory.data() + start, size);
  auto owner = std::make_unique<Memory>(std::move(memory));
  uint8_t* data = owner->data() + start;
  return Napi::Buffer<uint8_t>::New(
      env, data, size, [](Napi::Env, uint8_t*, Memory* owned) { delete owned; }, owner.release());
}

Napi::Value toBuffer(Napi::Env env, const std::vector<Digest>& digests) {
  const auto* data = reinterpret_cast<const uint8_t*>(digests.data());
  return Napi::Buffer<uint8_t>::Copy(env, data, digests.size() * sizeof(Digest));
}

}  // namespace cairn
