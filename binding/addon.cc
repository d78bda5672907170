// The addon's entry: `NativeModule` of src/native.cts.
//
// The border: JavaScript values are touched on the JavaScript thread only, in this folder only.
// What goes to an engine are plain structs; what comes back passes through CompletionQueue.
#include "errors.h"
#include "javascript.h"
#include "libtorch_version.h"
#include "model_object.h"
#include "module_data.h"
#include "tokenizer_object.h"

#ifdef BERTCNN_FAULTS
#include "faults.h"
#endif

namespace bertcnn::binding {
namespace {

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value checked(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return function(info); });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  engine::make_failures();
  ModuleData& module = ModuleData::create(env);
  module.model_class = Napi::Persistent(ModelObject::define(env));
  module.tokenizer_class = Napi::Persistent(TokenizerObject::define(env));
  exports.Set("libtorchVersion", libtorch_version());
  exports.Set("builtWithLibtorch", BERTCNN_LIBTORCH_VERSION);
  exports.Set("loadModel", Napi::Function::New<checked<ModelObject::load>>(env, "loadModel"));
  exports.Set("openShared",
              Napi::Function::New<checked<ModelObject::open_shared>>(env, "openShared"));
  exports.Set("loadTokenizer",
              Napi::Function::New<checked<TokenizerObject::load>>(env, "loadTokenizer"));
#ifdef BERTCNN_FAULTS
  faults::define(env, exports);
#endif
  return exports;
}

}  // namespace
}  // namespace bertcnn::binding

Napi::Object initialize_addon(Napi::Env env, Napi::Object exports) {
  return bertcnn::binding::guarded(env, [&] { return bertcnn::binding::initialize(env, exports); });
}

NODE_API_MODULE(bertcnn, initialize_addon)
