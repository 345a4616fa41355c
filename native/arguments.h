#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "digest.h"
#include "memory.h"

namespace cairn {

// The TypeScript door has validated all arguments; these require what it promised and throw TypeError otherwise.

/** The bytes of a Uint8Array; they belong to JS and are valid while the value is alive. */
std::span<uint8_t> bytesOf(const Napi::Value& value);

/** A Uint8Array of 32 bytes. */
Digest digestOf(const Napi::Value& value);

/** A number that is an integer from 0 to 2^53 - 1. */
uint64_t unsignedOf(const Napi::Value& value);

/** A path: a string, taken as UTF-8, or its bytes. */
std::string pathOf(const Napi::Value& value);

/** A Buffer with a copy of the digest. */
Napi::Value toJs(Napi::Env env, const Digest& digest);

/** A Buffer over `size` bytes of the memory from `start` on, which it then owns; small ones are copied. */
Napi::Value toBuffer(Napi::Env env, Memory memory, size_t size, size_t start = 0);

/** Several digests in one Buffer, one after the other. */
Napi::Value toBuffer(Napi::Env env, const std::vector<Digest>& digests);

}  // namespace cairn
