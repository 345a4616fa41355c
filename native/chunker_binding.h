#pragma once

#include <napi.h>

#include "chunker.h"

namespace cairn {

/** The cutter given as three numbers of bytes from argument `first` on: min, average, max. */
Cutter cutterOf(const Napi::CallbackInfo& info, size_t first);

/** `{ lengths: number[], digests: Buffer }`, the digests one after the other. */
Napi::Value toJs(Napi::Env env, const Cuts& cuts);

}  // namespace cairn
