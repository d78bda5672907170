// Everything that the addon keeps for one JavaScript environment (the main thread, or one worker).
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>

#include "background.h"
#include "completion_queue.h"
#include "engine/engine.h"
#include "javascript.h"

namespace bertcnn::binding {

/// Owns the environment's engines, its way back to JavaScript and its classes. Members are called
/// on the JavaScript thread only, save for `completions.post`. No other state is kept anywhere in
/// the addon, but for the list of live environments that process exit needs.
class ModuleData {
 public:
  /// Makes the environment's data, which ends with it.
  static ModuleData& create(Napi::Env env);
  /// Shared with the environment's objects: those that are collected when it ends may outlive its
  /// own reference.
  static std::shared_ptr<ModuleData> of(Napi::Env env);
  ~ModuleData();
  ModuleData(const ModuleData&) = delete;
  ModuleData& operator=(const ModuleData&) = delete;

  /// Throws ERR_DISPOSED once the environment is ending.
  std::weak_ptr<engine::Engine> add_engine(const engine::EngineOptions& options,
                                           engine::Engine::Factory factory,
                                           std::function<void(engine::Failure)> started);
  /// Ends an engine and waits for its thread: not noticeably where it was disposed or failed to
  /// load.
  void remove_engine(const std::weak_ptr<engine::Engine>& engine);
  /// Disposes an engine that nobody uses any more without waiting, and removes it when that is
  /// done.
  void retire_engine(const std::weak_ptr<engine::Engine>& engine);

  /// Disposes all engines and waits for their threads, at most for one layer each. Nothing comes
  /// back to JavaScript afterwards. Called when the environment or the process ends, whichever is
  /// first.
  void shut_down();

  CompletionQueue completions;
  Background background;
  Napi::FunctionReference model_class;
  Napi::FunctionReference tokenizer_class;

 private:
  explicit ModuleData(Napi::Env env);
  void listen_for_exit(Napi::Env env);

  bool shut_down_ = false;
  std::unordered_set<std::shared_ptr<engine::Engine>> engines_;
};

}  // namespace bertcnn::binding
