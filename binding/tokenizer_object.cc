#include "tokenizer_object.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "arguments.h"
#include "errors.h"
#include "fault_point.h"
#include "results.h"

namespace bertcnn::binding {
namespace {

text::Truncation read_truncation(const std::string& name) {
  if (name == "longest_first") return text::Truncation::kLongestFirst;
  if (name == "only_first") return text::Truncation::kOnlyFirst;
  if (name == "only_second") return text::Truncation::kOnlySecond;
  fail("ERR_INVALID_ARGUMENT", "Expected longest_first, only_first or only_second for ",
       "options.truncation but received '", name, "'");
}

text::EncodeOptions read_encode_options(const Napi::Value& value) {
  text::EncodeOptions options;
  if (value.IsUndefined()) return options;
  const Fields fields(value, "options");
  fields.read("addSpecialTokens", options.add_special_tokens);
  fields.read("maxLength", options.max_length);
  fields.read("returnOffsets", options.offsets);
  fields.read("returnTokenTypeIds", options.type_ids);
  std::optional<std::string> truncation;
  fields.read("truncation", truncation);
  if (truncation) options.truncation = read_truncation(*truncation);
  return options;
}

/// Null or undefined: nothing.
template <typename T>
std::optional<T> read_optional(const Napi::Value& value, const char* name) {
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  return convert<T>(value, name);
}

text::BatchOptions read_batch_options(const Napi::Value& value) {
  text::BatchOptions options{.encode = read_encode_options(value),
                             .threads = std::max(1U, std::thread::hardware_concurrency())};
  if (value.IsUndefined()) return options;
  const Fields fields(value, "options");
  fields.read("padLength", options.pad_length);
  fields.read("padToLongest", options.pad_to_longest);
  return options;
}

/// A string argument as UTF-8: a short one without a second look at its length and without memory
/// of its own.
class TextArgument {
 public:
  // To clear the bytes would cost more than to fill them.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  TextArgument(const Napi::Value& value, const char* name) {
    size_t size = 0;
    const napi_status status =
        napi_get_value_string_utf8(value.Env(), value, short_.data(), short_.size(), &size);
    // As much as fits is copied, in whole characters: with room for one more that is all.
    if (status == napi_ok && size + 1 + kLongestCharacter <= short_.size()) {
      view_ = {short_.data(), size};
      return;
    }
    long_ = convert<std::string>(value, name);
    view_ = long_;
  }
  TextArgument(const TextArgument&) = delete;
  TextArgument& operator=(const TextArgument&) = delete;

  std::string_view view() const { return view_; }

 private:
  static constexpr size_t kLongestCharacter = 4;

  std::array<char, 1024> short_;
  std::string long_;
  std::string_view view_;
};

struct EncodeBatchRequest {
  std::vector<std::string> texts;
  std::optional<std::vector<std::string>> pairs;
  text::BatchOptions options;
};

EncodeBatchRequest read_encode_batch_request(const Napi::CallbackInfo& info) {
  EncodeBatchRequest request{convert<std::vector<std::string>>(info[0], "texts"),
                             read_optional<std::vector<std::string>>(info[1], "pairs"),
                             read_batch_options(info[2])};
  if (request.pairs && request.pairs->size() != request.texts.size()) {
    fail("ERR_INVALID_ARGUMENT", "Expected as many pairs as texts, ", request.texts.size(),
         ", but received ", request.pairs->size());
  }
  return request;
}

}  // namespace

template <TokenizerObject::Member member>
Napi::Value TokenizerObject::checked(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return (this->*member)(info); });
}

Napi::Function TokenizerObject::define(Napi::Env env) {
  using Self = TokenizerObject;
  Napi::Function tokenizer_class =
      DefineClass(env, "NativeTokenizer",
                  {InstanceMethod<&Self::checked<&Self::encode>>("encode"),
                   InstanceMethod<&Self::checked<&Self::encode_batch>>("encodeBatch"),
                   InstanceMethod<&Self::checked<&Self::decode>>("decode"),
                   InstanceMethod<&Self::checked<&Self::token_to_id>>("tokenToId"),
                   InstanceMethod<&Self::checked<&Self::id_to_token>>("idToToken")});
  hide_constructor(tokenizer_class);
  return tokenizer_class;
}

Napi::Value TokenizerObject::load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto directory = convert<std::string>(info[0], "directory");
  const std::shared_ptr<ModuleData> module = ModuleData::of(env);
  const auto tokenizer = std::make_shared<std::optional<text::Tokenizer>>();
  const PendingPromise pending(env, module->completions,
                               [tokenizer](Napi::Env env) { return create(env, **tokenizer); });
  return pending.after([&] {
    module->background.run([pending, tokenizer, directory](const std::atomic<bool>&) {
      try {
        fault_point("load tokenizer");
        *tokenizer = text::Tokenizer::from_directory(directory);
        pending.settle(nullptr);
      } catch (...) {
        pending.settle(engine::current_failure());
      }
    });
  });
}

Napi::Value TokenizerObject::create(Napi::Env env, text::Tokenizer tokenizer) {
  return constructed(env, [&] {
    return ModuleData::of(env)->tokenizer_class.New(
        {Napi::External<text::Tokenizer>::New(env, &tokenizer)});
  });
}

TokenizerObject::TokenizerObject(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      module_(ModuleData::of(info.Env())),
      tokenizer_(*info[0].As<Napi::External<text::Tokenizer>>().Data()) {
  const Napi::Env env = info.Env();
  const std::optional<int64_t> max_length = tokenizer_.model_max_length();
  const auto number = [env](auto value) {
    return Napi::Number::New(env, static_cast<double>(value));
  };
  info.This().As<Napi::Object>().DefineProperties(
      {Napi::PropertyDescriptor::Value("vocabSize", number(tokenizer_.vocab_size()),
                                       napi_enumerable),
       Napi::PropertyDescriptor::Value(
           "modelMaxLength", max_length ? number(*max_length) : env.Null(), napi_enumerable)});
}

Napi::Value TokenizerObject::encode(const Napi::CallbackInfo& info) {
  const TextArgument text(info[0], "text");
  const auto pair = read_optional<std::string>(info[1], "pair");
  const text::EncodeOptions options = read_encode_options(info[2]);
  return to_js(info.Env(),
               pair ? tokenizer_.encode_pair(text.view(), *pair, options)
                    : tokenizer_.encode(text.view(), options),
               options);
}

Napi::Value TokenizerObject::encode_batch(const Napi::CallbackInfo& info) {
  auto request = std::make_shared<const EncodeBatchRequest>(read_encode_batch_request(info));
  const auto result = std::make_shared<std::vector<text::PackedEncodings>>();
  const PendingPromise pending(info.Env(), module_->completions,
                               [result](Napi::Env env) { return to_js(env, *result); });
  return pending.after([&] {
    module_->background.run(
        [pending, request, result, tokenizer = tokenizer_](const std::atomic<bool>& stopping) {
          try {
            fault_point("encode batch");
            auto batch = text::encode_batch(tokenizer, request->texts,
                                            request->pairs ? &*request->pairs : nullptr,
                                            request->options, stopping);
            if (!batch) return;  // then nobody waits
            *result = *std::move(batch);
            pending.settle(nullptr);
          } catch (...) {
            pending.settle(engine::current_failure());
          }
        });
  });
}

Napi::Value TokenizerObject::decode(const Napi::CallbackInfo& info) {
  const auto ids = convert<std::vector<int32_t>>(info[0], "ids");
  const bool skip = convert<bool>(info[1], "skipSpecialTokens");
  return Napi::String::New(info.Env(), tokenizer_.decode(ids, skip));
}

Napi::Value TokenizerObject::token_to_id(const Napi::CallbackInfo& info) {
  const auto id = tokenizer_.token_to_id(convert<std::string>(info[0], "token"));
  return id ? Napi::Number::New(info.Env(), *id) : info.Env().Null();
}

Napi::Value TokenizerObject::id_to_token(const Napi::CallbackInfo& info) {
  const auto id = convert<int64_t>(info[0], "id");
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) return info.Env().Null();
  const auto token = tokenizer_.id_to_token(static_cast<int32_t>(id));
  return token ? Napi::String::New(info.Env(), *token) : info.Env().Null();
}

}  // namespace bertcnn::binding
