// Plain results to JavaScript values, as src/native.cts describes them. JavaScript thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model_compute.h"
#include "engine/requests.h"
#include "javascript.h"
#include "text/tokenizer.h"

namespace bertcnn::binding {

/// Encodings of texts one after another: a few long arrays are made in a moment on the JavaScript
/// thread, where four for each text are not.
struct Encodings {
  std::vector<int32_t> lengths;  // [texts], tokens of each
  std::vector<int32_t> ids;      // [tokens], as are the next two
  std::vector<int32_t> type_ids;
  std::vector<uint8_t> special_tokens_mask;
  std::vector<int32_t> offsets;    // [tokens, 2]
  std::vector<uint8_t> truncated;  // [texts]

  void append(const text::Encoding& encoding);
};

Napi::Value to_js(Napi::Env env, const engine::ModelInfo& info);
Napi::Value to_js(Napi::Env env, const engine::LoadReport& report);
Napi::Value to_js(Napi::Env env, const engine::Prediction& prediction, bool has_probabilities);
Napi::Value to_js(Napi::Env env, const engine::StepResult& result);
Napi::Value to_js(Napi::Env env, const engine::EngineStats& stats);
Napi::Value to_js(Napi::Env env, const Encodings& encodings);

}  // namespace bertcnn::binding
