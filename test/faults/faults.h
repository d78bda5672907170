// What scripts/faults.mjs asks of a test build: to fail where nothing fails by itself.
#pragma once

#include "javascript.h"

namespace bertcnn::faults {

/// `exports.faults`: `arm(kind, number, lasting)` lets the `number`-th event of that kind fail, and
/// all that follow if `lasting`; `disarm()` answers how many have failed; `stages()` the names of
/// the stages that were passed since the addon was loaded. Kinds are "memory" (memory of the
/// addon's own containers), "tensor" (that of a tensor on the CPU), or a stage.
void define(Napi::Env env, Napi::Object exports);

}  // namespace bertcnn::faults
