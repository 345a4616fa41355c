#include <memory>

#include "arguments.h"
#include "capabilities.h"
#include "erasure.h"
#include "guard.h"
#include "pool.h"

namespace cairn {

namespace {

ErasureScheme schemeOf(const Napi::CallbackInfo& info) { return {unsignedOf(info[0]), unsignedOf(info[1])}; }

/** CRCs, 8 bytes little-endian each, in one Buffer. */
Napi::Value toJs(Napi::Env env, const std::vector<uint64_t>& sums) {
  return Napi::Buffer<uint8_t>::Copy(env, reinterpret_cast<const uint8_t*>(sums.data()),
                                     sums.size() * sizeof(uint64_t));
}

/** (data, parity, object, shardBytes, out for the parity) The CRCs of object and shards. */
Napi::Value encodeObjectLater(const Napi::CallbackInfo& info) {
  const ErasureScheme scheme = schemeOf(info);
  const Bytes object = bytesOf(info[2]);
  const size_t shardBytes = unsignedOf(info[3]);
  const std::span<uint8_t> out = bytesOf(info[4]);
  const auto sums = std::make_shared<std::vector<uint64_t>>();
  return startJob(
      info.Env(), {info[2], info[4]}, [=] { *sums = encodeObject(object, scheme, shardBytes, out); },
      [=](Napi::Env env) { return toJs(env, *sums); });
}

/** Two arrays of the same length: numbers of shards, and their bytes. */
template <class Byte>
std::vector<Shard<Byte>> shardsOf(const Napi::Value& indexes, const Napi::Value& bytes) {
  const auto numbers = indexes.As<Napi::Array>();
  const auto arrays = bytes.As<Napi::Array>();
  std::vector<Shard<Byte>> shards;
  for (uint32_t i = 0; i < numbers.Length(); i++) {
    shards.push_back({unsignedOf(numbers.Get(i)), bytesOf(arrays.Get(i))});
  }
  return shards;
}

/** (data, parity, left's numbers, left's bytes, lost's numbers, lost's bytes) */
Napi::Value rebuildShardsLater(const Napi::CallbackInfo& info) {
  const ErasureScheme scheme = schemeOf(info);
  const auto left = shardsOf<const uint8_t>(info[2], info[3]);
  const auto lost = shardsOf<uint8_t>(info[4], info[5]);
  return startJob(
      info.Env(), {info[3], info[5]}, [=] { rebuildShards(scheme, left, lost); },
      [](Napi::Env env) { return env.Undefined(); });
}

/** (several runs of bytes) The CRC of each. */
Napi::Value crc64Later(const Napi::CallbackInfo& info) {
  const auto arrays = info[0].As<Napi::Array>();
  std::vector<Bytes> runs;
  for (uint32_t i = 0; i < arrays.Length(); i++) runs.push_back(bytesOf(arrays.Get(i)));
  const auto sums = std::make_shared<std::vector<uint64_t>>(runs.size());
  return startJob(
      info.Env(), {info[0]},
      [=] {
        for (size_t i = 0; i < runs.size(); i++) (*sums)[i] = crc64(runs[i]);
      },
      [=](Napi::Env env) { return toJs(env, *sums); });
}

Napi::Value crc64Now(const Napi::CallbackInfo& info) { return Napi::BigInt::New(info.Env(), crc64(bytesOf(info[0]))); }

}  // namespace

void initErasure(Napi::Env env, Napi::Object exports) {
  exportFunction<encodeObjectLater>(env, exports, "encodeObject");
  exportFunction<rebuildShardsLater>(env, exports, "rebuildShards");
  exportFunction<crc64Later>(env, exports, "crc64");
  exportFunction<crc64Now>(env, exports, "crc64Sync");
}

}  // namespace cairn
