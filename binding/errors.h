// Native errors as JavaScript sees them.
#pragma once

#include <exception>
#include <new>
#include <utility>

#include "engine/failure.h"
#include "error.h"
#include "javascript.h"

namespace bertcnn::binding {

/// A JavaScript Error with `code` and `message`.
Napi::Error to_js_error(Napi::Env env, const Error& error);

/// Runs `body`; what native code throws in it is thrown as a JavaScript error with a `code`. Errors
/// that JavaScript itself threw meanwhile (a getter, a proxy) pass unchanged.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, *engine::current_failure());
  }
}

/// Runs `make`, which makes an object of a class of ours. Memory that its constructor did not get
/// is told as everywhere else: node-addon-api makes an Error without a code of it.
template <typename Make>
auto constructed(Napi::Env env, Make&& make) {
  try {
    return std::forward<Make>(make)();
  } catch (const Napi::Error& error) {
    if (error.Message() != std::bad_alloc().what()) throw;
    throw to_js_error(env, *engine::out_of_memory_failure());
  }
}

}  // namespace bertcnn::binding
