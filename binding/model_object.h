// `NativeModel` of src/native.cts: one handle of a loaded model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "completion_queue.h"
#include "engine/engine.h"
#include "engine/model_compute.h"
#include "javascript.h"
#include "module_data.h"

namespace bertcnn::binding {

/// Calls keep the object alive until they are settled. An object that is collected without having
/// been disposed retires its client of the engine: nobody waits for that, least of all the
/// collector.
class ModelObject final : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env);
  /// `loadModel(options)`: the promise of a model, and what cancels it.
  static Napi::Value load(const Napi::CallbackInfo& info);
  /// `openShared(token)`: another handle of a model that is open.
  static Napi::Value open_shared(const Napi::CallbackInfo& info);

  explicit ModelObject(const Napi::CallbackInfo& info);
  ~ModelObject() override;

 private:
  /// What the constructor makes a model of.
  struct Parts {
    std::weak_ptr<EngineClient> client;
    std::shared_ptr<const engine::ModelInfo> info;
    bool owns_weights;  // whether the garbage collector is told of them through this handle
  };
  static Napi::Value create(Napi::Env env, Parts parts);
  static Napi::Value create_or_remove(Napi::Env env, const Parts& parts);

  using Member = Napi::Value (ModelObject::*)(const Napi::CallbackInfo&);
  template <Member member>
  Napi::Value checked(const Napi::CallbackInfo& info);

  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value flush(const Napi::CallbackInfo& info);
  Napi::Value configure_training(const Napi::CallbackInfo& info);
  Napi::Value end_training(const Napi::CallbackInfo& info);
  Napi::Value parameter_groups(const Napi::CallbackInfo& info);
  Napi::Value set_freeze(const Napi::CallbackInfo& info);
  Napi::Value set_learning_rate_scale(const Napi::CallbackInfo& info);
  Napi::Value empty_cache(const Napi::CallbackInfo& info);
  Napi::Value set_calibration(const Napi::CallbackInfo& info);
  Napi::Value save_training_state(const Napi::CallbackInfo& info);
  Napi::Value load_training_state(const Napi::CallbackInfo& info);
  Napi::Value train_step(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value explain(const Napi::CallbackInfo& info);
  Napi::Value masked_language_loss(const Napi::CallbackInfo& info);
  Napi::Value save_pretrained(const Napi::CallbackInfo& info);
  Napi::Value save_encoder(const Napi::CallbackInfo& info);
  Napi::Value load_state_dict(const Napi::CallbackInfo& info);
  Napi::Value save_state_dict(const Napi::CallbackInfo& info);
  Napi::Value warm_up(const Napi::CallbackInfo& info);
  Napi::Value share(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<EngineClient> client() const;
  PendingPromise start_call(Napi::Env env, PendingPromise::ToValue to_value);
  /// What is done with the whole model while nothing else is; it may stop when it is asked to.
  using StoppableTask = std::function<void(engine::ModelCompute&, const engine::CancelCheck&)>;
  Napi::Value run(Napi::Env env, std::function<void(engine::ModelCompute&)> task,
                  PendingPromise::ToValue to_value);
  Napi::Value run_stoppable(Napi::Env env, StoppableTask task, PendingPromise::ToValue to_value);
  void count_weights(Napi::Env env, int64_t parameters);

  std::shared_ptr<ModuleData> module_;
  std::weak_ptr<EngineClient> client_;  // owned by `module_`; gone once disposed
  std::function<void()> removal_;       // of the client, for when this object is collected
  std::shared_ptr<const engine::ModelInfo> info_;
  int64_t weight_bytes_ = 0;  // as the garbage collector knows it
};

}  // namespace bertcnn::binding
