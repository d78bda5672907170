// Node-API's C++ wrapper as this folder uses it. Every file that touches a JavaScript value
// includes this.
#pragma once

// A worker that is being terminated runs no JavaScript: an error that can't be thrown any more is
// dropped instead of ending the process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

#include <napi.h>

static_assert(NAPI_VERSION == 8, "The addon promises to run wherever Node-API 8 does");

namespace bertcnn::binding {

/// Takes `constructor` off a class's prototype, so that JavaScript can't reach a class whose
/// objects only native code can make.
inline void hide_constructor(const Napi::Function& object_class) {
  object_class.Get("prototype").As<Napi::Object>().Delete("constructor");
}

}  // namespace bertcnn::binding
