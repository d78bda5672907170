#include "training/trainer.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/full.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"
#include "failure.h"
#include "kernels/arithmetic.h"
#include "random_model.h"
#include "training/targets.h"
#include "training_batch.h"

namespace bertcnn::training {
namespace {

using bertcnn::testing::classes;
using bertcnn::testing::copy_weights;
using bertcnn::testing::failure;
using bertcnn::testing::failure_code;
using bertcnn::testing::kTinyConfigWithoutDropout;
using bertcnn::testing::kTrainedRows;
using bertcnn::testing::max_difference;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::Rows;
using bertcnn::testing::trained_classes;

at::Generator generator(uint64_t seed) {
  return model::make_generator(at::kCPU, seed);
}

double largest_change(const model::BertCnn& model, const std::vector<at::Tensor>& before) {
  double change = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    change = std::max(change, max_difference(model.parameters()[i].tensor, before[i]));
  }
  return change;
}

TEST(Trainer, LowersTheLossOfEachVariant) {
  for (const char* variant : {"frozen", "fine-tune", "max-over-time"}) {
    // Without dropout, which makes the losses of so few rows jump.
    const model::BertCnn model =
        random_model({.variant = variant, .dropout = 0.0}, kTinyConfigWithoutDropout);
    Trainer trainer(model, {.learning_rate = 1e-2, .head_learning_rate = 1e-2}, generator(1));
    const double first = trainer.step(packed(kTrainedRows), trained_classes(), {}).loss;
    double last = 0;
    for (int i = 1; i < 50; ++i)
      last = trainer.step(packed(kTrainedRows), trained_classes(), {}).loss;
    EXPECT_EQ(trainer.step(packed(kTrainedRows), trained_classes(), {}).step, 51);
    EXPECT_LT(last, 0.1 * first) << variant;
  }
}

TEST(Trainer, RepeatsWithTheSameSeed) {
  const auto run = [](uint64_t seed) {
    const model::BertCnn model = random_model({.variant = "max-over-time"});
    Trainer trainer(model, {}, generator(seed));
    for (int i = 0; i < 3; ++i) trainer.step(packed(kTrainedRows), trained_classes(), {});
    return copy_weights(model);
  };
  const auto first = run(1), second = run(1), other = run(2);
  double difference = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(max_difference(first[i], second[i]), 0);
    difference = std::max(difference, max_difference(first[i], other[i]));
  }
  EXPECT_GT(difference, 0);
}

TEST(Trainer, FollowsItsSchedule) {
  const model::BertCnn model = random_model({.dropout = 0});
  Trainer trainer(model,
                  {.head_learning_rate = 1,
                   .schedule = {.type = ScheduleType::linear, .total_steps = 3, .warmup_steps = 1}},
                  generator(1));
  const auto before = copy_weights(model);
  for (const double rate : {0.0, 1.0, 0.5, 0.0}) {
    const TrainerStep step = trainer.step(packed(kTrainedRows), trained_classes(), {});
    EXPECT_EQ(step.learning_rates, std::vector<double>(2, rate));
    if (step.step == 1) EXPECT_EQ(largest_change(model, before), 0);
  }
  EXPECT_GT(largest_change(model, before), 0);
  EXPECT_EQ(trainer.steps(), 4);
}

TEST(Trainer, LowersTheLossBySgd) {
  const model::BertCnn model = random_model({.dropout = 0.0});
  Trainer trainer(model,
                  {.head_learning_rate = 1e-2,
                   .optimizer = OptimizerType::sgd,
                   .momentum = 0.9,
                   .nesterov = true},
                  generator(1));
  const double first = trainer.step(packed(kTrainedRows), trained_classes(), {}).loss;
  double last = 0;
  for (int i = 1; i < 50; ++i)
    last = trainer.step(packed(kTrainedRows), trained_classes(), {}).loss;
  EXPECT_LT(last, 0.5 * first);
}

TEST(Trainer, ClipsTheGlobalNorm) {
  // With SGD-like settings the size of an AdamW step says nothing of the norm, so compare the norm
  // that a step reports with and without clipping: it is that before clipping, in both.
  const model::BertCnn a = random_model({.dropout = 0});
  const model::BertCnn b = random_model({.dropout = 0});
  Trainer clipped(a, {.max_grad_norm = 1e-3}, generator(1));
  Trainer unclipped(b, {.max_grad_norm = 0}, generator(1));
  const double norm = clipped.step(packed(kTrainedRows), trained_classes(), {}).grad_norm;
  EXPECT_GT(norm, 1e-3);
  EXPECT_DOUBLE_EQ(unclipped.step(packed(kTrainedRows), trained_classes(), {}).grad_norm, norm);
}

TEST(Trainer, LeavesEverythingAsItWasWhenAStepFails) {
  const auto check = [](const std::function<void(Trainer&)>& fail_a_step, const char* code) {
    const model::BertCnn model = random_model({.variant = "max-over-time"});
    Trainer trainer(model, {}, generator(1));
    trainer.step(packed(kTrainedRows), trained_classes(), {});
    const auto before = copy_weights(model);
    EXPECT_EQ(failure_code([&] { fail_a_step(trainer); }), code);
    EXPECT_EQ(largest_change(model, before), 0);

    // The step after a failed one is the step that would have been taken without it.
    trainer.step(packed(kTrainedRows), trained_classes(), {});
    const model::BertCnn twin = random_model({.variant = "max-over-time"});
    Trainer undisturbed(twin, {}, generator(1));
    undisturbed.step(packed(kTrainedRows), trained_classes(), {});
    undisturbed.step(packed(kTrainedRows), trained_classes(), {});
    EXPECT_EQ(largest_change(twin, copy_weights(model)), 0);
  };
  // cancelled in a layer, and just before the update
  for (const int moment : {1, 4}) {
    check(
        [moment](Trainer& trainer) {
          int asked = 0;
          trainer.step(packed(kTrainedRows), trained_classes(), [&] { return ++asked == moment; });
        },
        "ERR_CANCELLED");
  }
}

// ---- accumulation

const Rows kFirst = {{2, 9, 3}, {2, 10, 11, 12, 13, 14, 3}};
const Rows kSecond = {{2, 7, 8, 3}, {2, 15, 3}};
const Rows kBoth = {kFirst[0], kFirst[1], kSecond[0], kSecond[1]};

TEST(Trainer, StepsByTheMeanOfAccumulatedGradients) {
  const auto make = [] {
    return random_model({.variant = "fine-tune", .dropout = 0.0}, kTinyConfigWithoutDropout);
  };
  // SGD, since AdamW turns the rounding of a tiny gradient into steps of full size.
  TrainingOptions options{.learning_rate = 0.1,
                          .head_learning_rate = 0.1,
                          .optimizer = OptimizerType::sgd,
                          .max_grad_norm = 0.5};
  const model::BertCnn whole = make();
  Trainer at_once(whole, options, generator(1));
  options.gradient_accumulation_steps = 2;
  const model::BertCnn halves = make();
  Trainer in_halves(halves, options, generator(1));
  for (int64_t step = 1; step <= 3; ++step) {
    const TrainerStep both = at_once.step(packed(kBoth), classes({0, 1, 1, 0}), {});
    const auto before = copy_weights(halves);
    const TrainerStep first = in_halves.step(packed(kFirst), classes({0, 1}), {});
    EXPECT_FALSE(first.updated);
    EXPECT_EQ(first.step, step - 1);
    EXPECT_EQ(largest_change(halves, before), 0);
    const TrainerStep second = in_halves.step(packed(kSecond), classes({1, 0}), {});
    EXPECT_TRUE(second.updated);
    EXPECT_EQ(second.step, step);
    EXPECT_NEAR((first.loss + second.loss) / 2, both.loss, 1e-5);
    EXPECT_NEAR(second.grad_norm, both.grad_norm, 1e-4);
    EXPECT_LT(largest_change(halves, copy_weights(whole)), 1e-5);
  }
}

TEST(Trainer, CountsTheScheduleInOptimizerSteps) {
  const model::BertCnn model = random_model({.dropout = 0});
  Trainer trainer(model,
                  {.head_learning_rate = 1,
                   .schedule = {.type = ScheduleType::linear, .total_steps = 2},
                   .gradient_accumulation_steps = 2},
                  generator(1));
  for (const double rate : {1.0, 1.0, 0.5, 0.5, 0.0}) {
    const TrainerStep step = trainer.step(packed(kTrainedRows), trained_classes(), {});
    EXPECT_EQ(step.learning_rates, std::vector<double>(2, rate));
  }
}

TEST(Trainer, KeepsWhatIsAccumulatedWhenAStepFails) {
  const auto run = [](bool with_failures) {
    const model::BertCnn model = random_model({.variant = "max-over-time"});
    Trainer trainer(model, {.gradient_accumulation_steps = 3}, generator(1));
    for (int i = 0; i < 6; ++i) {
      if (with_failures) {
        for (const int moment : {1, 4}) {  // in a layer, and after the backward pass
          int asked = 0;
          const auto cancelled = [&] { return ++asked == moment; };
          EXPECT_EQ(failure_code([&] {
                      trainer.step(packed(kBoth), classes({1, 1, 0, 0}), cancelled);
                    }),
                    "ERR_CANCELLED");
        }
      }
      trainer.step(packed(kTrainedRows), trained_classes(), {});
    }
    EXPECT_EQ(trainer.steps(), 2);
    return copy_weights(model);
  };
  const auto undisturbed = run(false), disturbed = run(true);
  for (size_t i = 0; i < undisturbed.size(); ++i) {
    EXPECT_EQ(max_difference(undisturbed[i], disturbed[i]), 0);
  }
}

// ---- what is refused

TEST(Trainer, TakesABatchOfOneRow) {
  const model::BertCnn model = random_model({.variant = "fine-tune"});
  Trainer trainer(model, {}, generator(1));
  EXPECT_EQ(std::ssize(trainer.step(packed({{2, 9, 3}}), classes({1}), {}).logits),
            model.config().num_labels());
}

TEST(Trainer, RefusesAStepWhoseGradientsAreNotFinite) {
  const model::BertCnn model = random_model({.variant = "fine-tune", .dropout = 0.0});
  for (const auto& parameter : model.parameters()) {
    if (parameter.name != "fc.weight") continue;
    const at::NoGradGuard no_grad;
    parameter.tensor.fill_(1e30);  // the loss is as large, the square of its gradient overflows
    parameter.tensor[0].fill_(-1e30);
  }
  Trainer trainer(model, {}, generator(1));
  const auto before = copy_weights(model);
  EXPECT_EQ(failure_code([&] {
              trainer.step(packed(kTrainedRows), classes({0, 0, 0}), {});
            }),
            "ERR_NON_FINITE");
  EXPECT_EQ(largest_change(model, before), 0);
  EXPECT_EQ(trainer.steps(), 0);
}

TEST(Trainer, RefusesALossThatDoesNotFitTheModel) {
  const model::BertCnn model = random_model();
  EXPECT_EQ(failure_code([&] {
              Trainer(model, {.loss = {.pos_weight = {1, 1}}}, generator(1));
            }),
            "ERR_INVALID_ARGUMENT");
}

TEST(Trainer, RefusesAStepWhoseLossIsNotFinite) {
  const model::BertCnn model = random_model();
  {
    const at::NoGradGuard no_grad;
    model.parameters().back().tensor.fill_(std::numeric_limits<float>::quiet_NaN());
  }
  Trainer trainer(model, {}, generator(1));
  const auto before = copy_weights(model);
  EXPECT_EQ(failure_code([&] { trainer.step(packed(kTrainedRows), trained_classes(), {}); }),
            "ERR_NON_FINITE");
  for (size_t i = 0; i + 1 < before.size(); ++i) {
    EXPECT_EQ(max_difference(model.parameters()[i].tensor, before[i]), 0);
  }
}

at::Tensor state_of(const Trainer& trainer, const std::string& parameter, const std::string& name) {
  for (const StateTensor& state : trainer.optimizer().state()) {
    if (state.parameter == parameter && state.name == name) return state.tensor;
  }
  return {};
}

TEST(Trainer, FollowsWhatIsFrozenAndKeepsTheStateOfWhatStaysTrained) {
  const char* const kHead = "fc.weight";
  const char* const kTop = "bert.encoder.layer.1.output.dense.weight";
  const char* const kLowest = "bert.embeddings.LayerNorm.weight";
  model::BertCnn model = random_model({.freeze = "encoder"});
  Trainer trainer(model, {}, generator(1));
  for (int i = 0; i < 3; ++i) trainer.step(packed(kTrainedRows), trained_classes(), {});
  const at::Tensor moment = state_of(trainer, kHead, "exp_avg").clone();
  EXPECT_FALSE(state_of(trainer, kTop, "exp_avg").defined());

  model.set_freeze(1);
  trainer.follow_freeze();
  EXPECT_TRUE(state_of(trainer, kHead, "exp_avg").equal(moment));
  EXPECT_EQ(state_of(trainer, kTop, "exp_avg").abs().max().item<float>(), 0);
  EXPECT_FALSE(state_of(trainer, kLowest, "step").defined());
  EXPECT_EQ(trainer.step(packed(kTrainedRows), trained_classes(), {}).step, 4);
  EXPECT_EQ(state_of(trainer, kHead, "step").item<float>(), 4);
  EXPECT_EQ(state_of(trainer, kTop, "step").item<float>(), 1);

  model.set_freeze(std::vector<std::string>{"fc.*"});
  trainer.follow_freeze();
  EXPECT_FALSE(state_of(trainer, kHead, "step").defined());
  EXPECT_EQ(state_of(trainer, kTop, "step").item<float>(), 1);
  EXPECT_EQ(state_of(trainer, kLowest, "step").item<float>(), 0);
}

TEST(Trainer, KeepsWhatIsAccumulatedOfWhatStaysTrained) {
  // The second half of the batch is the same with and without the changes between.
  const auto run = [](bool changes) {
    model::BertCnn model = random_model({.freeze = 1, .dropout = 0});
    Trainer trainer(model, {.gradient_accumulation_steps = 2}, generator(1));
    trainer.step(packed(kTrainedRows), trained_classes(), {});
    if (changes) {
      for (const model::Freeze& freeze : std::vector<model::Freeze>{0, 1}) {
        model.set_freeze(freeze);
        trainer.follow_freeze();
      }
    }
    trainer.step(packed(kTrainedRows), trained_classes(), {});
    return copy_weights(model);
  };
  const auto undisturbed = run(false), changed = run(true);
  for (size_t i = 0; i < undisturbed.size(); ++i) EXPECT_TRUE(undisturbed[i].equal(changed[i]));
}

TEST(Targets, AreRefusedWithTheRowAndWhatWouldBeRight) {
  const std::vector<int64_t> classes = {0, 2};
  EXPECT_EQ(failure([&] { class_targets(classes, 2, 2, at::kCPU); }),
            "ERR_INVALID_LABELS Expected a class from 0 to 1 for row 1 but received 2.");
  EXPECT_EQ(failure([&] { class_targets(classes, 3, 3, at::kCPU); }),
            "ERR_INVALID_LABELS Expected 3 labels, one a row, but received 2.");
  const std::vector<float> values = {0, 1, 0.5F, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(failure([&] { float_targets(values, 2, 2, false, at::kCPU); }),
            "ERR_INVALID_LABELS Expected a finite number for row 1, label 1 but received nan.");
  EXPECT_EQ(
      failure([&] { float_targets(values, 2, 2, true, at::kCPU); }),
      "ERR_INVALID_LABELS Expected a number from 0 to 1 for row 1, label 1 but received nan.");
  EXPECT_EQ(failure([&] { float_targets(values, 2, 3, true, at::kCPU); }),
            "ERR_INVALID_LABELS Expected 2 x 3 target values but received 4.");
}

TEST(Targets, NameTheRowThatIsWrong) {
  const auto code = [](const std::function<void()>& work) { return failure_code(work); };
  const std::vector<int64_t> classes = {0, 2};
  EXPECT_EQ(code([&] { class_targets(classes, 2, 2, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { class_targets(classes, 3, 3, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { class_targets(classes, 2, 3, at::kCPU); }), "");
  const std::vector<float> values = {0.5F, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(code([&] { float_targets(values, 2, 1, false, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { float_targets(values, 1, 1, false, at::kCPU); }), "ERR_INVALID_LABELS");
  const std::vector<float> large = {0.5F, 1.5F};
  EXPECT_EQ(code([&] { float_targets(large, 1, 2, true, at::kCPU); }), "ERR_INVALID_LABELS");
  EXPECT_EQ(code([&] { float_targets(large, 1, 2, false, at::kCPU); }), "");
}

/// Heads of 32, which have kernels of their own.
constexpr const char* kConfigOfRowKernels = R"({
  "model_type": "bert", "vocab_size": 40, "hidden_size": 64, "num_hidden_layers": 3,
  "num_attention_heads": 2, "intermediate_size": 96, "max_position_embeddings": 16,
  "hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2})";

struct TrainingRun {
  std::vector<double> losses;
  std::vector<at::Tensor> weights;
};

TrainingRun train(const TrainingOptions& options, int steps) {
  const model::BertCnn model = random_model({.variant = "max-over-time"}, kConfigOfRowKernels);
  Trainer trainer(model, options, generator(3));
  TrainingRun run;
  for (int i = 0; i < steps; ++i) {
    run.losses.push_back(trainer.step(packed(kTrainedRows), trained_classes(), {}).loss);
  }
  run.weights = copy_weights(model);
  return run;
}

TEST(Trainer, CheckpointingTakesTheSameStepsBitForBit) {
  const TrainingRun plain = train({}, 3);
  const TrainingRun checkpointed = train({.gradient_checkpointing = true}, 3);
  EXPECT_EQ(plain.losses, checkpointed.losses);
  for (size_t i = 0; i < plain.weights.size(); ++i) {
    EXPECT_TRUE(plain.weights[i].equal(checkpointed.weights[i])) << i;
  }
}

/// Bfloat16 beside float32, with the products of whichever library is chosen.
void expect_bfloat16_to_follow_float32() {
  const TrainingOptions small = {.learning_rate = 1e-3, .head_learning_rate = 1e-3};
  TrainingOptions half = small;
  half.bfloat16 = true;
  const TrainingRun plain = train(small, 10);
  for (const bool checkpointing : {false, true}) {
    half.gradient_checkpointing = checkpointing;
    const TrainingRun rounded = train(half, 10);
    EXPECT_NE(plain.losses, rounded.losses);
    for (size_t i = 0; i < plain.losses.size(); ++i) {
      EXPECT_NEAR(rounded.losses[i], plain.losses[i], 0.05 + 0.05 * plain.losses[i]) << i;
    }
    for (size_t i = 0; i < plain.weights.size(); ++i) {
      EXPECT_EQ(rounded.weights[i].scalar_type(), at::kFloat);
    }
  }
}

TEST(Trainer, BFloat16FollowsFloat32) {
  const std::string reason = kernels::unsupported_reason(kernels::Arithmetic::bfloat16);
  if (!reason.empty()) GTEST_SKIP() << reason;
  expect_bfloat16_to_follow_float32();
}

/// The products by libtorch, which has bfloat16 on every processor, until the end of the scope.
class ProductsByLibtorch {
 public:
  ProductsByLibtorch() { setenv("BERTCNN_LINEAR", "aten", 1); }
  ~ProductsByLibtorch() { unsetenv("BERTCNN_LINEAR"); }
  ProductsByLibtorch(const ProductsByLibtorch&) = delete;
  ProductsByLibtorch& operator=(const ProductsByLibtorch&) = delete;
};

TEST(Trainer, BFloat16FollowsFloat32WithLibtorchsProducts) {
  const ProductsByLibtorch products;
  expect_bfloat16_to_follow_float32();
}

/// Casts to bfloat16 that one step makes, by the shape of what is cast.
std::map<std::vector<int64_t>, int> casts_of_a_step(const TrainingOptions& options) {
  static std::map<std::vector<int64_t>, int> casts;
  static std::mutex mutex;
  casts.clear();
  const auto note = [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
    if (std::string_view(function.name()) != "aten::_to_copy") return nullptr;
    const auto inputs = function.inputs();
    const bool halves =
        inputs[1].isInt() && inputs[1].toInt() == static_cast<int64_t>(at::kBFloat16);
    const std::scoped_lock lock(mutex);
    if (halves) ++casts[inputs[0].toTensor().sizes().vec()];
    return nullptr;
  };
  const model::BertCnn model = random_model({.variant = "max-over-time"}, kConfigOfRowKernels);
  Trainer trainer(model, options, generator(1));
  const auto handle =
      at::addGlobalCallback(at::RecordFunctionCallback(note).needsInputs(true).scopes(
          {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  trainer.step(packed(kTrainedRows), trained_classes(), {});
  at::removeCallback(handle);
  return casts;
}

TEST(Trainer, CastsAWeightToBFloat16OnceAStep) {
  const ProductsByLibtorch products;
  for (const bool checkpointing : {false, true}) {
    auto casts = casts_of_a_step({.bfloat16 = true, .gradient_checkpointing = checkpointing});
    constexpr int kLayers = 3;
    using Shape = std::vector<int64_t>;
    // Queries, keys and values are one product.
    for (const Shape& weight : {Shape{192, 64}, Shape{64, 64}, Shape{96, 64}, Shape{64, 96}}) {
      EXPECT_EQ(casts[weight], kLayers) << at::IntArrayRef(weight) << checkpointing;
    }
  }
}

/// The shapes of all tensors that operations of a step take.
std::set<std::vector<int64_t>> shapes_of_a_step(const Rows& rows, const at::Tensor& labels) {
  static std::set<std::vector<int64_t>> shapes;
  static std::mutex mutex;
  shapes.clear();
  const auto note = [](const at::RecordFunction& function) -> std::unique_ptr<at::ObserverContext> {
    const std::scoped_lock lock(mutex);
    for (const c10::IValue& input : function.inputs()) {
      if (input.isTensor() && input.toTensor().defined()) {
        shapes.insert(input.toTensor().sizes().vec());
      }
    }
    return nullptr;
  };
  const model::BertCnn model = random_model({.variant = "max-over-time"});
  Trainer trainer(model, {}, generator(1));
  const auto handle =
      at::addGlobalCallback(at::RecordFunctionCallback(note).needsInputs(true).scopes(
          {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  trainer.step(packed(rows), labels, {});
  at::removeCallback(handle);
  return shapes;
}

TEST(Trainer, NoOperationSeesAPaddedBatch) {
  // 2 + 13 tokens, padded 26.
  const Rows rows = {{2, 3}, {2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 3}};
  const auto shapes =
      shapes_of_a_step(rows, class_targets(std::vector<int64_t>{0, 1}, 2, 2, at::kCPU));
  EXPECT_TRUE(shapes.contains({15, 12}));  // the hidden states
  for (const std::vector<int64_t>& shape : shapes) {
    const auto padded = [&](const auto& dim) { return dim == 26; };
    EXPECT_TRUE(std::none_of(shape.begin(), shape.end(), padded)) << at::IntArrayRef(shape);
    EXPECT_FALSE(shape.size() > 1 && shape[0] == 2 && shape[1] == 13) << at::IntArrayRef(shape);
  }
}

}  // namespace
}  // namespace bertcnn::training
