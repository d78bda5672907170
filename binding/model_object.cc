#include "model_object.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "engine/shared_engines.h"
#include "errors.h"
#include "results.h"
#include "training_arguments.h"

namespace bertcnn::binding {
namespace {

constexpr double kMostMilliseconds = 2147483648;  // what a timer of JavaScript can hold

struct LoadArguments {
  engine::LoadOptions load;
  engine::EngineOptions engine;
};

void read_milliseconds(const Fields& fields, const char* field, engine::Duration& target) {
  std::optional<double> milliseconds;
  fields.read(field, milliseconds);
  if (!milliseconds) return;
  if (!(*milliseconds >= 0 && *milliseconds < kMostMilliseconds)) {
    fail("ERR_INVALID_ARGUMENT", "Expected milliseconds from 0 to below 2^31 for options.", field,
         " but received ", *milliseconds);
  }
  target = std::chrono::duration_cast<engine::Duration>(
      std::chrono::duration<double, std::milli>(*milliseconds));
}

LoadArguments read_load_arguments(const Napi::Value& value) {
  LoadArguments arguments;
  engine::LoadOptions& load = arguments.load;
  const Fields fields(value, "options");
  load.directory = fields.get<std::string>("directory");
  fields.read("variant", load.variant);
  fields.read("problemType", load.problem_type);
  fields.read("labels", load.labels);
  fields.read("numLabels", load.num_labels);
  fields.read("filterSizes", load.filter_sizes);
  fields.read("numFilters", load.num_filters);
  fields.read("dropout", load.dropout);
  fields.read("hiddenDropout", load.hidden_dropout);
  fields.read("attentionDropout", load.attention_dropout);
  fields.read("activation", load.head.activation);
  fields.read("pooling", load.head.pooling);
  fields.read("poolingSize", load.head.pooling_size);
  fields.read("layerNorm", load.head.layer_norm);
  fields.read("hiddenLayers", load.head.hidden_layers);
  fields.read("layerCombination", load.head.layer_combination);
  fields.read("padding", load.padding);
  fields.read("longText", load.long_text);
  fields.read("windowOverlap", load.window_overlap);
  fields.read("freeze", load.freeze);
  fields.read("maxLength", load.max_length);
  fields.read("seed", load.seed);
  fields.read("device", load.device);
  fields.read("dtype", load.dtype);
  fields.read("tf32", load.tf32);
  fields.read("memoryLimit", load.memory_limit);
  fields.read("maxBatchTokens", arguments.engine.max_batch_tokens);
  fields.read("maxQueueRows", arguments.engine.max_queue_rows);
  read_milliseconds(fields, "maxQueueDelay", arguments.engine.max_queue_delay);
  read_milliseconds(fields, "maxPriorityAge", arguments.engine.max_priority_age);
  arguments.engine.threads = fields.get<engine::Threads>("threads");
  load.threads = arguments.engine.threads.lead;
  return arguments;
}

engine::TrainRequest read_train_request(const Napi::Value& value) {
  const Fields fields(value, "request");
  engine::TrainRequest request{fields.get<engine::Input>("input"), std::nullopt};
  fields.read("labels", request.labels);
  return request;
}

int64_t read_priority(const Napi::Value& options) {
  int64_t priority = 0;
  if (!options.IsUndefined()) Fields(options, "options").read("priority", priority);
  return priority;
}

Napi::Value undefined(Napi::Env env) {
  return env.Undefined();
}

}  // namespace

// ---- making and unmaking models

template <ModelObject::Member member>
Napi::Value ModelObject::checked(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return (this->*member)(info); });
}

Napi::Function ModelObject::define(Napi::Env env) {
  using Self = ModelObject;
  Napi::Function model_class = DefineClass(
      env, "NativeModel",
      {InstanceMethod<&Self::checked<&Self::predict>>("predict"),
       InstanceMethod<&Self::checked<&Self::flush>>("flush"),
       InstanceMethod<&Self::checked<&Self::configure_training>>("configureTraining"),
       InstanceMethod<&Self::checked<&Self::end_training>>("endTraining"),
       InstanceMethod<&Self::checked<&Self::parameter_groups>>("parameterGroups"),
       InstanceMethod<&Self::checked<&Self::set_freeze>>("setFreeze"),
       InstanceMethod<&Self::checked<&Self::set_learning_rate_scale>>("setLearningRateScale"),
       InstanceMethod<&Self::checked<&Self::set_calibration>>("setCalibration"),
       InstanceMethod<&Self::checked<&Self::train_step>>("trainStep"),
       InstanceMethod<&Self::checked<&Self::evaluate>>("evaluate"),
       InstanceMethod<&Self::checked<&Self::masked_language_loss>>("maskedLanguageLoss"),
       InstanceMethod<&Self::checked<&Self::explain>>("explain"),
       InstanceMethod<&Self::checked<&Self::save_training_state>>("saveTrainingState"),
       InstanceMethod<&Self::checked<&Self::load_training_state>>("loadTrainingState"),
       InstanceMethod<&Self::checked<&Self::save_pretrained>>("savePretrained"),
       InstanceMethod<&Self::checked<&Self::save_encoder>>("saveEncoder"),
       InstanceMethod<&Self::checked<&Self::load_state_dict>>("loadStateDict"),
       InstanceMethod<&Self::checked<&Self::save_state_dict>>("saveStateDict"),
       InstanceMethod<&Self::checked<&Self::warm_up>>("warmUp"),
       InstanceMethod<&Self::checked<&Self::empty_cache>>("emptyCache"),
       InstanceMethod<&Self::checked<&Self::share>>("share"),
       InstanceMethod<&Self::checked<&Self::cancel>>("cancel"),
       InstanceMethod<&Self::checked<&Self::stats>>("stats"),
       InstanceMethod<&Self::checked<&Self::dispose>>("dispose")});
  hide_constructor(model_class);
  return model_class;
}

Napi::Value ModelObject::load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LoadArguments arguments = read_load_arguments(info[0]);
  const std::shared_ptr<ModuleData> module = ModuleData::of(env);
  // Both are filled before they are read: by the engine's thread before `started`, and here.
  auto model_info = std::make_shared<engine::ModelInfo>();
  auto client = std::make_shared<std::weak_ptr<EngineClient>>();

  auto loading = Napi::Object::New(env);
  loading.Set("cancel", Napi::Function::New(env, [client](const Napi::CallbackInfo&) {
                if (const auto locked = client->lock()) locked->engine->detach(locked->id);
              }));
  // The module outlives an engine that is loading.
  const auto removal =
      make_completion([module = module.get(), client] { module->remove_client(*client); });
  const PendingPromise pending(env, module->completions, [model_info, client](Napi::Env env) {
    return create_or_remove(env, {*client, model_info, true});
  });
  auto factory = [load = std::move(arguments.load),
                  model_info](const engine::CancelCheck& cancelled) {
    std::unique_ptr<engine::ModelCompute> compute = engine::ModelCompute::load(load, cancelled);
    *model_info = compute->info();
    return compute;
  };
  // On the engine's thread.
  auto started = [pending, removal,
                  completions = module->completions](const engine::Failure& failure) {
    if (failure) completions->post(removal);
    pending.settle(failure);
  };
  loading.Set("model", pending.after([&] {
    *client = module->add_engine(arguments.engine, std::move(factory), std::move(started));
  }));
  return loading;
}

Napi::Value ModelObject::open_shared(const Napi::CallbackInfo& info) {
  const engine::SharedEngine shared = engine::open_shared(convert<std::string>(info[0], "token"));
  std::shared_ptr<EngineClient> client;
  try {
    client = std::make_shared<EngineClient>(shared.engine, shared.client);
  } catch (...) {
    shared.engine->detach(shared.client);
    throw;
  }
  const std::weak_ptr<EngineClient> added =
      ModuleData::of(info.Env())->add_client(std::move(client));
  return create_or_remove(info.Env(), {added, shared.info, false});
}

// A client without an object would last as long as the environment.
Napi::Value ModelObject::create_or_remove(Napi::Env env, const Parts& parts) {
  try {
    return create(env, parts);
  } catch (...) {
    ModuleData::of(env)->remove_client(parts.client);
    throw;
  }
}

Napi::Value ModelObject::create(Napi::Env env, Parts parts) {
  return constructed(env, [&] {
    return ModuleData::of(env)->model_class.New({Napi::External<Parts>::New(env, &parts)});
  });
}

ModelObject::ModelObject(const Napi::CallbackInfo& info)
    : ObjectWrap(info), module_(ModuleData::of(info.Env())) {
  const Parts& parts = *info[0].As<Napi::External<Parts>>().Data();
  client_ = parts.client;
  removal_ = module_->removal_of(client_);
  info_ = parts.info;
  if (parts.owns_weights) count_weights(info.Env(), info_->parameter_count);
  info.This().As<Napi::Object>().DefineProperty(
      Napi::PropertyDescriptor::Value("info", to_js(info.Env(), *info_), napi_enumerable));
}

ModelObject::~ModelObject() {
  count_weights(Env(), 0);
  ModuleData::retire_client(client_, std::move(removal_));
}

Napi::Value ModelObject::dispose(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const PendingPromise pending =
      start_call(env, [module = module_.get(), client = client_](Napi::Env env) {
        module->remove_client(client);
        return env.Undefined();
      });
  return pending.after([&] {
    const std::shared_ptr<EngineClient> locked = client_.lock();
    if (locked) {
      locked->engine->detach(locked->id, [pending] { pending.settle(nullptr); });
      client_.reset();
      count_weights(env, 0);
    } else {
      pending.settle(nullptr);
    }
  });
}

// Tells the garbage collector how much memory hangs on this small object.
void ModelObject::count_weights(Napi::Env env, int64_t parameters) {
  const auto bytes = parameters * static_cast<int64_t>(sizeof(float));
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes - std::exchange(weight_bytes_, bytes));
}

// ---- calls

std::shared_ptr<EngineClient> ModelObject::client() const {
  std::shared_ptr<EngineClient> client = client_.lock();
  if (!client) fail("ERR_DISPOSED", "The model is disposed: load it again to use it");
  return client;
}

PendingPromise ModelObject::start_call(Napi::Env env, PendingPromise::ToValue to_value) {
  Ref();
  try {
    return PendingPromise(env, module_->completions, std::move(to_value), [this] { Unref(); });
  } catch (...) {
    Unref();
    throw;
  }
}

Napi::Value ModelObject::predict(const Napi::CallbackInfo& info) {
  const auto id = convert<int64_t>(info[0], "id");
  auto input = convert<engine::Input>(info[1], "input");
  const int64_t priority = read_priority(info[2]);
  const std::shared_ptr<EngineClient> client = this->client();
  const auto result = std::make_shared<engine::Prediction>();
  const PendingPromise pending =
      start_call(info.Env(), [result, has_probabilities = info_->problem_type != "regression"](
                                 Napi::Env env) { return to_js(env, *result, has_probabilities); });
  auto done = [pending, result](const engine::Failure& failure, engine::Prediction&& prediction) {
    *result = std::move(prediction);
    pending.settle(failure);
  };
  return pending.after([&] {
    client->engine->predict({id, client->id}, std::move(input), priority, std::move(done),
                            /*more_follow=*/true);
  });
}

Napi::Value ModelObject::flush(const Napi::CallbackInfo& info) {
  if (const std::shared_ptr<EngineClient> client = client_.lock()) client->engine->wake();
  return info.Env().Undefined();
}

Napi::Value ModelObject::train_step(const Napi::CallbackInfo& info) {
  const auto id = convert<int64_t>(info[0], "id");
  engine::TrainRequest request = read_train_request(info[1]);
  const std::shared_ptr<EngineClient> client = this->client();
  const auto result = std::make_shared<engine::StepResult>();
  const PendingPromise pending =
      start_call(info.Env(), [result](Napi::Env env) { return to_js(env, *result); });
  auto done = [pending, result](const engine::Failure& failure, engine::StepResult&& step) {
    *result = std::move(step);
    pending.settle(failure);
  };
  return pending.after([&] {
    client->engine->train({id, client->id}, std::move(request), std::move(done));
  });
}

Napi::Value ModelObject::evaluate(const Napi::CallbackInfo& info) {
  auto input = convert<engine::Input>(info[0], "input");
  auto result = std::make_shared<engine::Prediction>();
  return run_stoppable(
      info.Env(),
      [input = std::move(input), result](engine::ModelCompute& compute,
                                         const engine::CancelCheck& cancelled) {
        *result = compute.evaluate(input, cancelled);
      },
      [result, has_probabilities = info_->problem_type != "regression"](Napi::Env env) {
        return to_js(env, *result, has_probabilities);
      });
}

Napi::Value ModelObject::explain(const Napi::CallbackInfo& info) {
  auto texts = convert<std::vector<std::string>>(info[0], "texts");
  model::ExplanationTarget target;
  const Fields fields(info[1], "target");
  fields.read("label", target.label);
  fields.read("against", target.against);
  auto result = std::make_shared<std::vector<engine::TextExplanation>>();
  return run_stoppable(
      info.Env(),
      [texts = std::move(texts), target, result](engine::ModelCompute& compute,
                                                 const engine::CancelCheck& cancelled) {
        *result = compute.explain(texts, target, cancelled);
      },
      [result](Napi::Env env) { return to_js(env, *result); });
}

Napi::Value ModelObject::masked_language_loss(const Napi::CallbackInfo& info) {
  auto texts = convert<std::vector<std::string>>(info[0], "texts");
  const auto seed = convert<uint64_t>(info[1], "seed");
  auto result = std::make_shared<engine::MaskedLanguageLoss>();
  return run_stoppable(
      info.Env(),
      [texts = std::move(texts), seed, result](engine::ModelCompute& compute,
                                               const engine::CancelCheck& cancelled) {
        *result = compute.masked_language_loss(texts, seed, cancelled);
      },
      [result](Napi::Env env) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object["loss"] = result->loss;
        object["tokens"] = static_cast<double>(result->tokens);
        return object;
      });
}

Napi::Value ModelObject::configure_training(const Napi::CallbackInfo& info) {
  const training::TrainingOptions options = read_training_options(info[0]);
  return run(
      info.Env(), [options](engine::ModelCompute& compute) { compute.configure_training(options); },
      undefined);
}

Napi::Value ModelObject::empty_cache(const Napi::CallbackInfo& info) {
  return run(
      info.Env(), [](engine::ModelCompute& compute) { compute.empty_cache(); }, undefined);
}

Napi::Value ModelObject::end_training(const Napi::CallbackInfo& info) {
  return run(
      info.Env(), [](engine::ModelCompute& compute) { compute.end_training(); }, undefined);
}

Napi::Value ModelObject::parameter_groups(const Napi::CallbackInfo& info) {
  auto groups = std::make_shared<std::vector<engine::ParameterGroupInfo>>();
  return run(
      info.Env(), [groups](engine::ModelCompute& compute) { *groups = compute.parameter_groups(); },
      [groups](Napi::Env env) { return to_js(env, *groups); });
}

Napi::Value ModelObject::set_freeze(const Napi::CallbackInfo& info) {
  auto freeze = convert<model::Freeze>(info[0], "freeze");
  auto config = std::make_shared<std::string>();
  return run(
      info.Env(),
      [freeze = std::move(freeze), config](engine::ModelCompute& compute) {
        *config = compute.set_freeze(freeze);
      },
      [config](Napi::Env env) { return Napi::String::New(env, *config); });
}

Napi::Value ModelObject::set_learning_rate_scale(const Napi::CallbackInfo& info) {
  const auto scale = convert<double>(info[0], "scale");
  return run(
      info.Env(), [scale](engine::ModelCompute& compute) { compute.scale_learning_rates(scale); },
      undefined);
}

Napi::Value ModelObject::set_calibration(const Napi::CallbackInfo& info) {
  auto calibration = convert<model::Calibration>(info[0], "calibration");
  auto config = std::make_shared<std::string>();
  return run(
      info.Env(),
      [calibration = std::move(calibration), config](engine::ModelCompute& compute) {
        *config = compute.set_calibration(calibration);
      },
      [config](Napi::Env env) { return Napi::String::New(env, *config); });
}

Napi::Value ModelObject::save_training_state(const Napi::CallbackInfo& info) {
  const auto file = convert<std::string>(info[0], "file");
  return run(
      info.Env(), [file](engine::ModelCompute& compute) { compute.save_training_state(file); },
      undefined);
}

Napi::Value ModelObject::load_training_state(const Napi::CallbackInfo& info) {
  const auto file = convert<std::string>(info[0], "file");
  auto position = std::make_shared<engine::TrainingPosition>();
  return run(
      info.Env(),
      [file, position](engine::ModelCompute& compute) {
        *position = compute.load_training_state(file);
      },
      [position](Napi::Env env) { return to_js(env, *position); });
}

Napi::Value ModelObject::save_encoder(const Napi::CallbackInfo& info) {
  const auto directory = convert<std::string>(info[0], "directory");
  return run(
      info.Env(), [directory](engine::ModelCompute& compute) { compute.save_encoder(directory); },
      undefined);
}

Napi::Value ModelObject::save_pretrained(const Napi::CallbackInfo& info) {
  const auto directory = convert<std::string>(info[0], "directory");
  return run(
      info.Env(),
      [directory](engine::ModelCompute& compute) { compute.save_pretrained(directory); },
      undefined);
}

Napi::Value ModelObject::load_state_dict(const Napi::CallbackInfo& info) {
  const auto file = convert<std::string>(info[0], "file");
  const bool strict = convert<bool>(info[1], "strict");
  auto report = std::make_shared<engine::LoadReport>();
  return run(
      info.Env(),
      [file, strict, report](engine::ModelCompute& compute) {
        *report = compute.load_state_dict(file, strict);
      },
      [report](Napi::Env env) { return to_js(env, *report); });
}

Napi::Value ModelObject::save_state_dict(const Napi::CallbackInfo& info) {
  const auto file = convert<std::string>(info[0], "file");
  return run(
      info.Env(), [file](engine::ModelCompute& compute) { compute.save_state_dict(file); },
      undefined);
}

Napi::Value ModelObject::run(Napi::Env env, std::function<void(engine::ModelCompute&)> task,
                             PendingPromise::ToValue to_value) {
  auto whole = [task = std::move(task)](engine::ModelCompute& compute, const engine::CancelCheck&) {
    task(compute);
  };
  return run_stoppable(env, std::move(whole), std::move(to_value));
}

Napi::Value ModelObject::run_stoppable(Napi::Env env, StoppableTask task,
                                       PendingPromise::ToValue to_value) {
  const std::shared_ptr<EngineClient> client = this->client();
  const PendingPromise pending = start_call(env, std::move(to_value));
  return pending.after([&] {
    client->engine->run(
        [task = std::move(task)](engine::Compute& compute, const engine::CancelCheck& cancelled) {
          task(static_cast<engine::ModelCompute&>(compute), cancelled);  // `load` made it
        },
        [pending](const engine::Failure& failure) { pending.settle(failure); }, client->id);
  });
}

Napi::Value ModelObject::warm_up(const Napi::CallbackInfo& info) {
  const std::shared_ptr<EngineClient> client = this->client();
  const PendingPromise pending = start_call(info.Env(), undefined);
  return pending.after([&] {
    client->engine->warm_up([pending](const engine::Failure& failure) { pending.settle(failure); },
                            client->id);
  });
}

Napi::Value ModelObject::share(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), engine::share(client()->engine, info_));
}

Napi::Value ModelObject::cancel(const Napi::CallbackInfo& info) {
  const auto id = convert<int64_t>(info[0], "id");
  const bool timed_out = convert<bool>(info[1], "timedOut");
  const std::shared_ptr<EngineClient> client = client_.lock();
  return Napi::Boolean::New(info.Env(),
                            client && client->engine->cancel({id, client->id}, timed_out));
}

Napi::Value ModelObject::stats(const Napi::CallbackInfo& info) {
  return to_js(info.Env(), client()->engine->stats());
}

}  // namespace bertcnn::binding
