#include "module_data.h"

#include <cstdlib>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "error.h"

namespace bertcnn::binding {
namespace {

// An environment ends in one of three ways, and an engine must not compute while the process takes
// libtorch apart:
// - a worker ends, or the main thread has nothing left to do: Node-API's cleanup hook;
// - process.exit(), an uncaught error: no cleanup hook is called, but process emits "exit";
// - something native calls exit(), or `process` is not the real one (Jest): atexit, for which the
//   process keeps a list of its environments.

/// The environments that are alive. Never freed: it is used until the process's very end.
class LiveModules {
 public:
  static LiveModules& instance() {
    static LiveModules& modules = *new LiveModules;
    return modules;
  }
  void add(ModuleData* module) {
    const std::lock_guard lock(mutex_);
    modules_.insert(module);
  }
  void remove(ModuleData* module) {
    const std::lock_guard lock(mutex_);
    modules_.erase(module);
  }

 private:
  LiveModules() {
    std::atexit([] { instance().shut_down(); });
  }
  void shut_down() {
    const std::lock_guard lock(mutex_);
    for (ModuleData* module : modules_) module->shut_down();
  }

  std::mutex mutex_;
  std::unordered_set<ModuleData*> modules_;
};

}  // namespace

ModuleData& ModuleData::create(Napi::Env env) {
  auto* shared = new std::shared_ptr<ModuleData>(new ModuleData(env));
  env.SetInstanceData(shared);
  ModuleData& module = **shared;
  // Hooks run in reverse order: after this one nothing posts to `completions`, which Node closes
  // next.
  env.AddCleanupHook([&module] {
    module.shut_down();
    module.model_class.Reset();
    module.tokenizer_class.Reset();
  });
  module.listen_for_exit(env);
  return module;
}

std::shared_ptr<ModuleData> ModuleData::of(Napi::Env env) {
  return *env.GetInstanceData<std::shared_ptr<ModuleData>>();
}

ModuleData::ModuleData(Napi::Env env) : completions(std::make_shared<CompletionQueue>(env)) {
  LiveModules::instance().add(this);
}

ModuleData::~ModuleData() {
  LiveModules::instance().remove(this);
}

void ModuleData::listen_for_exit(Napi::Env env) {
  const Napi::Value process = env.Global().Get("process");
  if (!process.IsObject()) return;
  const Napi::Value once = process.As<Napi::Object>().Get("once");
  if (!once.IsFunction()) return;
  const auto listener =
      Napi::Function::New(env, [this](const Napi::CallbackInfo&) { shut_down(); });
  once.As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), listener});
}

std::weak_ptr<EngineClient> ModuleData::add_engine(const engine::EngineOptions& options,
                                                   engine::Engine::Factory factory,
                                                   std::function<void(engine::Failure)> started) {
  // The engine last: once it runs, `started` alone says how that ends.
  std::weak_ptr<EngineClient> client = add_client(std::make_shared<EngineClient>());
  try {
    client.lock()->engine =
        std::make_shared<engine::Engine>(options, std::move(factory), std::move(started));
  } catch (...) {
    remove_client(client);
    throw;
  }
  return client;
}

std::weak_ptr<EngineClient> ModuleData::add_client(std::shared_ptr<EngineClient> client) {
  refuse_when_ending();
  return *clients_.insert(std::move(client)).first;
}

void ModuleData::refuse_when_ending() const {
  if (shut_down_) fail("ERR_DISPOSED", "The process is ending: no model can be loaded any more");
}

void ModuleData::remove_client(const std::weak_ptr<EngineClient>& client) {
  clients_.erase(client.lock());
}

std::function<void()> ModuleData::removal_of(const std::weak_ptr<EngineClient>& client) {
  // Perhaps on an engine's thread, when the environment has ended: then this module is gone.
  return [completions = completions, completion = make_completion([this, client] {
                                       remove_client(client);
                                     })] { completions->post(completion); };
}

void ModuleData::retire_client(const std::weak_ptr<EngineClient>& client,
                               std::function<void()> removal) noexcept {
  const std::shared_ptr<EngineClient> locked = client.lock();
  if (!locked) return;  // the environment has ended already
  try {
    locked->engine->detach(locked->id, std::move(removal));
  } catch (...) {
    // No memory to be told when it has ended: it then ends with the environment.
    locked->engine->detach(locked->id);
  }
}

void ModuleData::shut_down() {
  shut_down_ = true;
  completions->close();
  for (const std::shared_ptr<EngineClient>& client : clients_) {
    client->engine->detach(client->id);  // all are asked before any is awaited
  }
  background.stop();
  clients_.clear();
}

}  // namespace bertcnn::binding
