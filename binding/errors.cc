#include "errors.h"

namespace bertcnn::binding {

Napi::Error to_js_error(Napi::Env env, const Error& error) {
  Napi::Error js_error = Napi::Error::New(env, error.what());
  js_error.Set("code", Napi::String::New(env, error.code()));
  return js_error;
}

}  // namespace bertcnn::binding
