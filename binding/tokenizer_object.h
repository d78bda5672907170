// `NativeTokenizer` of src/native.cts.
#pragma once

#include <memory>

#include "javascript.h"
#include "module_data.h"
#include "text/tokenizer.h"

namespace bertcnn::binding {

class TokenizerObject final : public Napi::ObjectWrap<TokenizerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// `loadTokenizer(directory)`: the promise of a tokenizer.
  static Napi::Value load(const Napi::CallbackInfo& info);

  explicit TokenizerObject(const Napi::CallbackInfo& info);

 private:
  static Napi::Value create(Napi::Env env, text::Tokenizer tokenizer);

  using Member = Napi::Value (TokenizerObject::*)(const Napi::CallbackInfo&);
  template <Member member>
  Napi::Value checked(const Napi::CallbackInfo& info);

  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value encode_batch(const Napi::CallbackInfo& info);
  Napi::Value decode(const Napi::CallbackInfo& info);
  Napi::Value token_to_id(const Napi::CallbackInfo& info);
  Napi::Value id_to_token(const Napi::CallbackInfo& info);

  std::shared_ptr<ModuleData> module_;
  text::Tokenizer tokenizer_;  // copies share one state, which several threads may use
};

}  // namespace bertcnn::binding
