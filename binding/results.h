// Plain results to JavaScript values, as src/native.cts describes them. JavaScript thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model_compute.h"
#include "engine/requests.h"
#include "javascript.h"
#include "text/batch.h"

namespace bertcnn::binding {

Napi::Value to_js(Napi::Env env, const engine::ModelInfo& info);
Napi::Value to_js(Napi::Env env, const engine::LoadReport& report);
Napi::Value to_js(Napi::Env env, const engine::Prediction& prediction, bool has_probabilities);
Napi::Value to_js(Napi::Env env, const engine::StepResult& result);
Napi::Value to_js(Napi::Env env, const std::vector<engine::ParameterGroupInfo>& groups);
Napi::Value to_js(Napi::Env env, const engine::TrainingPosition& position);
Napi::Value to_js(Napi::Env env, const std::vector<engine::TextExplanation>& explanations);
Napi::Value to_js(Napi::Env env, const engine::EngineStats& stats);
/// An array buffer for each; see `text::Packed`.
Napi::Value to_js(Napi::Env env, const std::vector<text::PackedEncodings>& encodings);
/// One array buffer, since for a short text each object more would cost as much as the encoding.
Napi::Value to_js(Napi::Env env, const text::Encoding& encoding,
                  const text::EncodeOptions& options);

}  // namespace bertcnn::binding
