#include "training/training_state.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "failure.h"
#include "kernels/linear_tuning.h"
#include "model/weights.h"
#include "random_model.h"
#include "training_batch.h"

namespace bertcnn::training {
namespace {

using bertcnn::testing::failure;
using bertcnn::testing::kTrainedRows;
using bertcnn::testing::packed;
using bertcnn::testing::random_model;
using bertcnn::testing::trained_classes;

namespace fs = std::filesystem;

const Surroundings kHere = {"cpu", "float32", 16};

/// A folder for one test.
class TrainingStateFile : public ::testing::Test {
 protected:
  TrainingStateFile()
      : folder_(fs::path(::testing::TempDir()) / ("bertcnn-state-" + std::to_string(getpid()))),
        file_((folder_ / "run.safetensors").string()) {
    fs::create_directories(folder_);
  }
  ~TrainingStateFile() override { fs::remove_all(folder_); }

  std::string bytes() const {
    std::ifstream file(file_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void write(const std::string& bytes) const {
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << bytes;
  }

  fs::path folder_;
  std::string file_;
};

struct TrainingRun {
  model::BertCnn model;
  at::Generator generator = model::make_generator(at::kCPU, 5);
  std::unique_ptr<Trainer> trainer;

  TrainingRun(const model::ConfigOverrides& overrides, uint64_t seed)
      : model(random_model(overrides, bertcnn::testing::kTinyConfig, seed)) {}

  void configure(const TrainingOptions& options) {
    trainer = std::make_unique<Trainer>(model, options, generator);
  }
  void step(int count) {
    for (int i = 0; i < count; ++i) trainer->step(packed(kTrainedRows), trained_classes(), {});
  }
  void load(const std::string& file) {
    const TrainingState state(file, model, kHere);
    const kernels::ParameterList weights = state.read_weights(model);
    model.set_freeze(state.freeze());
    trainer = state.make_trainer(model, generator);
    generator.set_state(state.generator_state());
    model::copy_weights(weights, model.parameters());
  }
};

void expect_equal_weights(const model::BertCnn& a, const model::BertCnn& b) {
  for (size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(a.parameters()[i].tensor.equal(b.parameters()[i].tensor)) << a.parameters()[i].name;
  }
}

TEST_F(TrainingStateFile, ARunGoesOnBitForBit) {
  ScheduleOptions schedule{ScheduleType::linear, 9, 2, {}, 1};
  const std::vector<TrainingOptions> options = {
      {},
      {.optimizer = OptimizerType::sgd, .momentum = 0.9, .schedule = schedule},
      {.optimizer = OptimizerType::sgd},
      {.layer_decay = 0.5, .schedule = schedule, .gradient_accumulation_steps = 2}};
  for (const TrainingOptions& each : options) {
    for (const model::Freeze& freeze : std::vector<model::Freeze>{"none", 1, "encoder"}) {
      TrainingRun whole({.freeze = freeze}, 7);
      whole.configure(each);
      whole.step(3);  // with accumulation in the middle of a step
      save_training_state(file_, whole.model, *whole.trainer, kHere);
      whole.step(3);

      TrainingRun resumed({.freeze = "embeddings"}, 8);
      resumed.load(file_);
      EXPECT_EQ(resumed.model.config().freeze, freeze);
      resumed.step(3);
      EXPECT_EQ(resumed.trainer->steps(), whole.trainer->steps());
      expect_equal_weights(whole.model, resumed.model);
      EXPECT_TRUE(whole.generator.get_state().equal(resumed.generator.get_state()));
    }
  }
}

TEST_F(TrainingStateFile, IsRefusedByAnotherModelWithWhatDiffers) {
  TrainingRun run({}, 7);
  run.configure({});
  run.step(1);
  save_training_state(file_, run.model, *run.trainer, kHere);
  const auto refused = [&](const model::ConfigOverrides& overrides, const Surroundings& here,
                           const std::string& word) {
    const model::BertCnn other = random_model(overrides);
    const std::string error = failure([&] { TrainingState(file_, other, here); });
    EXPECT_TRUE(error.starts_with("ERR_CHECKPOINT_MISMATCH")) << error;
    EXPECT_NE(error.find(word), std::string::npos) << error;
  };
  refused({.num_filters = 7}, kHere, "numFilters 100, but this one has 7");
  refused({.filter_sizes = {{2, 3}}}, kHere, "filterSizes [3,4,5]");
  refused({.dropout = 0.1}, kHere, "dropout");
  refused({.padding = "include"}, kHere, "padding");
  refused({.labels = std::vector<std::string>{"a", "b"}}, kHere, "labels");
  refused({.variant = "max-over-time"}, kHere, "variant");
  refused({.problem_type = "multi_label_classification"}, kHere, "problemType");
  refused({}, {"cuda", "float32", 16}, "device cpu");
  refused({}, {"cpu", "bfloat16", 16}, "dtype float32");
  refused({}, {"cpu", "float32", 15}, "maxLength 16");
  EXPECT_EQ(failure([&] { TrainingState(file_, random_model(), kHere); }), "");
}

TEST_F(TrainingStateFile, ThatIsDamagedIsRefused) {
  TrainingRun run({.num_filters = 2}, 7);
  run.configure({.gradient_accumulation_steps = 2});
  run.step(1);
  kernels::choose_linear_libraries({{"float32 7 -> 5", "aten"}});
  const std::string known_choice = R"(\"float32 7 -> 5\":\"aten\")";
  save_training_state(file_, run.model, *run.trainer, kHere);
  const std::string whole = bytes();
  const auto load = [&] {
    TrainingRun other({.num_filters = 2}, 8);
    other.load(file_);
  };
  EXPECT_EQ(failure(load), "");

  for (const size_t length :
       {size_t{0}, size_t{7}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    write(whole.substr(0, length));
    EXPECT_TRUE(failure(load).starts_with("ERR_CHECKPOINT_FORMAT")) << length << failure(load);
  }
  // Each of as many bytes as it replaces, so that the header keeps its length.
  const std::vector<std::pair<std::string, std::string>> changes = {
      {R"(\"version\":1)", R"(\"version\":2)"},
      {R"(\"step\":0)", R"(\"stop\":0)"},
      {R"(\"batches\":1)", R"(\"batches\":2)"},
      {R"(\"batches\":1)", R"(\"batches\":0)"},
      {R"(\"adamw\")", R"(\"adamv\")"},
      {R"(\"beta1\":0.9)", R"(\"beta1\":1.9)"},
      {R"(\"freeze\":\"encoder\")", R"(\"freeze\":\"encodes\")"},
      {R"(\"generator\":\")", R"(\"generator\":\"g)"},
      {R"(\"linear\":{)", R"(\"linear\":[)"},
      {known_choice, R"(\"float32 7 -> 5\":\"atem\")"},
      {"optimizer.exp_avg.fc.bias", "optimizer.exp_avg.fc.bios"},
      {"gradient.fc.bias", "gradient.fc.bios"},
      {"\"fc.bias\"", "\"fc.bios\""},
      {"\"training\"", "\"draining\""}};
  for (const auto& [from, to] : changes) {
    std::string changed = whole;
    const size_t place = changed.find(from);
    ASSERT_NE(place, std::string::npos) << from;
    changed.replace(place, to.size(), to);
    write(changed);
    const std::string error = failure(load);
    EXPECT_TRUE(error.starts_with("ERR_CHECKPOINT_FORMAT")) << to << ": " << error;
    EXPECT_NE(error.find(file_), std::string::npos) << error;
  }
}

TEST_F(TrainingStateFile, KnowsTheLibrariesThatMultiplied) {
  TrainingRun run({}, 7);
  run.configure({});
  kernels::choose_linear_libraries({{"float32 7 -> 5", "aten"}});
  save_training_state(file_, run.model, *run.trainer, kHere);
  const TrainingState state(file_, run.model, kHere);
  EXPECT_EQ(state.linear_libraries(), kernels::chosen_linear_libraries());
  EXPECT_EQ(state.linear_libraries().at("float32 7 -> 5"), "aten");
}

TEST_F(TrainingStateFile, StaysAsItWasWhereTheDiskIsFull) {
  TrainingRun run({}, 7);
  run.configure({});
  run.step(1);
  save_training_state(file_, run.model, *run.trainer, kHere);
  const std::string before = bytes();
  run.step(1);

  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small = {before.size() / 2, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string error =
      failure([&] { save_training_state(file_, run.model, *run.trainer, kHere); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, handler);

  EXPECT_TRUE(error.starts_with("ERR_IO")) << error;
  EXPECT_TRUE(bytes() == before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace bertcnn::training
