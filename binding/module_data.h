// Everything that the addon keeps for one JavaScript environment (the main thread, or one worker).
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>
#include <utility>

#include "background.h"
#include "completion_queue.h"
#include "engine/engine.h"
#include "javascript.h"

namespace bertcnn::binding {

/// A share in an engine. The engine ends with its last client; whoever lets go of it last waits for
/// its threads.
struct EngineClient {
  explicit EngineClient(std::shared_ptr<engine::Engine> of = nullptr, engine::ClientId client = 0)
      : engine(std::move(of)), id(client) {}
  ~EngineClient() {
    if (engine) engine->detach(id);
  }
  EngineClient(const EngineClient&) = delete;
  EngineClient& operator=(const EngineClient&) = delete;

  std::shared_ptr<engine::Engine> engine;  // null only while it is being made
  const engine::ClientId id;
};

/// Owns the environment's shares in engines, its way back to JavaScript and its classes. Members
/// are called on the JavaScript thread only, save for `completions->post`. No other state is kept
/// anywhere in the addon, but for the list of live environments that process exit needs and the
/// engine's list of what is shared between environments.
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
  std::weak_ptr<EngineClient> add_engine(const engine::EngineOptions& options,
                                         engine::Engine::Factory factory,
                                         std::function<void(engine::Failure)> started);
  /// Likewise.
  std::weak_ptr<EngineClient> add_client(std::shared_ptr<EngineClient> client);
  /// Ends a client, and where it was the last its engine, for whose threads it waits: not
  /// noticeably where it was disposed or failed to load.
  void remove_client(const std::weak_ptr<EngineClient>& client);
  /// What removes a client once it has ended, for `retire_client`.
  std::function<void()> removal_of(const std::weak_ptr<EngineClient>& client);
  /// Ends a client that nobody uses any more without waiting, and has `removal` called when that is
  /// done. Needs no memory.
  static void retire_client(const std::weak_ptr<EngineClient>& client,
                            std::function<void()> removal) noexcept;

  /// Ends all clients, and waits for the threads of the engines that end with them, at most for one
  /// layer each. Nothing comes back to JavaScript afterwards. Called when the environment or the
  /// process ends, whichever is first.
  void shut_down();

  const std::shared_ptr<CompletionQueue> completions;
  Background background;
  Napi::FunctionReference model_class;
  Napi::FunctionReference tokenizer_class;

 private:
  explicit ModuleData(Napi::Env env);
  void listen_for_exit(Napi::Env env);
  void refuse_when_ending() const;

  bool shut_down_ = false;
  std::unordered_set<std::shared_ptr<EngineClient>> clients_;
};

}  // namespace bertcnn::binding
