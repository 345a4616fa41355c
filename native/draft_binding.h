#pragma once

#include <napi.h>

#include <memory>

#include "draft.h"

namespace cairn {

/** The draft behind the `handle` of a TypeScript `Draft`; throws TypeError for anything else. Loop thread. */
std::shared_ptr<Draft> draftOf(const Napi::Value& handle);

}  // namespace cairn
