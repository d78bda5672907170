// The fixtures that test/parity/make_fixtures.py wrote hold what PyTorch and transformers compute
// for tiny models. The bounds are those of test/parity/bounds.py.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "../../parity/parity_run.h"

namespace bertcnn::parity {
namespace {

namespace fs = std::filesystem;

const fs::path kFixtures = BERTCNN_FIXTURES;

json::Value read_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return json::parse(text, path.string());
}

struct Entry {
  std::string name;
  json::Value manifest;

  fs::path model() const { return kFixtures / "models" / member(manifest, "model").as_string(); }
  checkpoint::Checkpoint expected() const {
    return checkpoint::Checkpoint::open(kFixtures / "parity" / (name + ".safetensors"));
  }
};

void PrintTo(const Entry& entry, std::ostream* out) {
  *out << entry.name;
}

std::vector<Entry> read_manifest() {
  std::vector<Entry> entries;
  const json::Value manifest = read_json(kFixtures / "parity" / "manifest.json");
  for (const json::Value& entry : member(manifest, "cases").as_array()) {
    entries.push_back({member(entry, "name").as_string(), entry});
  }
  return entries;
}

/// A folder for one test of this process.
class Scratch {
 public:
  Scratch() : path_(fs::path(testing::TempDir()) / ("bertcnn-parity-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Scratch() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Results run_entry(const Entry& entry, const fs::path& model) {
  const Scratch scratch;
  return run(read_case(entry.manifest, model.string()), read_inputs(entry.expected()),
             (scratch.path() / "weights.safetensors").string());
}

// ---- differences, as a share of their bounds: 1 is the most that is allowed

/// The largest |got - expected| / (absolute + relative |expected|).
double share(const at::Tensor& got, const at::Tensor& expected, double absolute, double relative) {
  if (got.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  const float* a = got.const_data_ptr<float>();
  const float* b = expected.const_data_ptr<float>();
  double worst = 0;
  for (int64_t i = 0; i < got.numel(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    const double part = difference / (absolute + relative * std::abs(b[i]));
    if (!(part <= worst)) worst = part;  // NaN too
  }
  return worst;
}

double norm(const at::Tensor& values) {
  const at::Tensor flat = values.contiguous();
  const float* data = flat.const_data_ptr<float>();
  double squares = 0;
  for (int64_t i = 0; i < flat.numel(); ++i) squares += static_cast<double>(data[i]) * data[i];
  return std::sqrt(squares);
}

double logits_share(const Results& got, const checkpoint::Checkpoint& expected,
                    const std::string& name) {
  return share(got.at("logits"), read_floats(find(expected, name)), 1e-5, 1e-5);
}

double loss_share(const Results& got, const checkpoint::Checkpoint& expected,
                  const std::string& name) {
  return share(got.at("loss"), read_floats(find(expected, name)), 1e-5, 1e-5);
}

/// Of the tensor that comes nearest to its bound, 1e-4 of its norm + 1e-6.
double gradients_share(const Results& got, const checkpoint::Checkpoint& expected) {
  double worst = 0;
  for (const checkpoint::Tensor& tensor : expected.tensors()) {
    if (!tensor.name.starts_with("grad.")) continue;
    const auto found = got.find(tensor.name);
    if (found == got.end()) return std::numeric_limits<double>::infinity();
    const at::Tensor wanted = read_floats(tensor);
    const double part = norm(found->second.sub(wanted)) / (1e-4 * norm(wanted) + 1e-6);
    if (!(part <= worst)) worst = part;
  }
  return worst;
}

double losses_share(const Results& got, const checkpoint::Checkpoint& expected,
                    const std::string& name) {
  return share(got.at("losses"), read_floats(find(expected, name)), 1e-5, 1e-4);
}

double worst_share(const Results& got, const checkpoint::Checkpoint& expected) {
  return std::max({logits_share(got, expected, "logits"), loss_share(got, expected, "loss"),
                   gradients_share(got, expected), losses_share(got, expected, "losses")});
}

std::vector<std::string> gradient_names(const checkpoint::Checkpoint& expected) {
  std::vector<std::string> names;
  for (const checkpoint::Tensor& tensor : expected.tensors()) {
    if (tensor.name.starts_with("grad.")) names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> gradient_names(const Results& results) {
  std::vector<std::string> names;
  for (const auto& [name, values] : results) {
    if (name.starts_with("grad.")) names.push_back(name);
  }
  return names;
}

class Parity : public testing::TestWithParam<Entry> {};

TEST_P(Parity, ACaseComputesWhatPyTorchComputes) {
  const checkpoint::Checkpoint expected = GetParam().expected();
  const Results got = run_entry(GetParam(), GetParam().model());

  EXPECT_LE(logits_share(got, expected, "logits"), 1);
  EXPECT_LE(logits_share(got, expected, "logits64"), 1) << "against the float64 reference";
  EXPECT_LE(loss_share(got, expected, "loss"), 1);
  EXPECT_LE(loss_share(got, expected, "loss64"), 1) << "against the float64 reference";
  // The same weights are trained, and no others.
  EXPECT_EQ(gradient_names(got), gradient_names(expected));
  EXPECT_LE(gradients_share(got, expected), 1);
  EXPECT_LE(losses_share(got, expected, "losses"), 1);
  EXPECT_LE(losses_share(got, expected, "losses64"), 1) << "against the float64 reference";
  EXPECT_LE(share(got.at("grad_norms"), read_floats(find(expected, "grad_norms")), 1e-5, 1e-3), 1);
}

TEST_P(Parity, TenStepsLeadToTheWeightsThatPyTorchComesTo) {
  const checkpoint::Checkpoint expected = GetParam().expected();
  const Results got = run_entry(GetParam(), GetParam().model());
  for (const checkpoint::Tensor& tensor : expected.tensors()) {
    // A key projection's bias has a gradient of zero, and AdamW blows up its rounding.
    if (!tensor.name.starts_with("final.")) continue;
    if (tensor.name.ends_with(".attention.self.key.bias")) continue;
    const at::Tensor wanted = read_floats(tensor);
    EXPECT_LE(norm(got.at(tensor.name).sub(wanted)), 1e-3 * norm(wanted)) << tensor.name;
  }
}

TEST_P(Parity, ARowsLogitsDoNotDependOnItsBatchMates) {
  const Results got = run_entry(GetParam(), GetParam().model());
  const json::Value& options = member(GetParam().manifest, "options");
  const bool include = member(options, "padding").as_string() == "include";
  ASSERT_EQ(got.contains("logits_alone"), !include);
  if (include) return;  // there the batch mates' lengths decide how far a row is padded
  EXPECT_LE(share(got.at("logits_alone"), got.at("logits"), 1e-5, 1e-5), 1);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Parity, testing::ValuesIn(read_manifest()),
                         [](const testing::TestParamInfo<Entry>& info) {
                           std::string name = info.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// ---- the comparison is worth something only if it fails when the model is changed

/// The case whose encoder is trained, so that every weight has a gradient.
Entry trained_case() {
  for (Entry& entry : read_manifest()) {
    if (entry.name == "frozen-unfrozen-ignore") return entry;
  }
  throw std::runtime_error("frozen-unfrozen-ignore is not in the manifest");
}

double share_with_config(const char* field, const json::Value& value) {
  const Entry entry = trained_case();
  const Scratch scratch;
  fs::copy(entry.model(), scratch.path(), fs::copy_options::recursive);
  json::Value config = read_json(entry.model() / "config.json");
  config.set(field, value);
  std::ofstream(scratch.path() / "config.json") << json::write(config);
  return worst_share(
      run(read_case(entry.manifest, scratch.path().string()), read_inputs(entry.expected()),
          (scratch.path() / "weights.safetensors").string()),
      entry.expected());
}

double share_with_weight_changed(const std::string& name, int64_t index, float by) {
  const Entry entry = trained_case();
  const Scratch scratch;
  fs::copy(entry.model(), scratch.path(), fs::copy_options::recursive);
  const auto source = checkpoint::Checkpoint::open(entry.model().string());
  std::vector<checkpoint::Tensor> tensors = source.tensors();
  at::Tensor changed = read_floats(find(source, name));
  changed.mutable_data_ptr<float>()[index] += by;
  for (checkpoint::Tensor& tensor : tensors) {
    if (tensor.name != name) continue;
    tensor.bytes = std::as_bytes(std::span(changed.const_data_ptr<float>(), changed.numel()));
    tensor.file = nullptr;
  }
  checkpoint::write_safetensors((scratch.path() / "model.safetensors").string(), tensors,
                                {{"format", "pt"}});
  return worst_share(
      run(read_case(entry.manifest, scratch.path().string()), read_inputs(entry.expected()),
          (scratch.path() / "weights.safetensors").string()),
      entry.expected());
}

TEST(ParityComparison, HoldsWhereNothingIsChanged) {
  EXPECT_LE(share_with_config("hidden_act", "gelu"), 1);
  EXPECT_LE(share_with_weight_changed("fc.weight", 0, 0), 1);
}

TEST(ParityComparison, FailsForTheOtherFormOfGelu) {
  EXPECT_GT(share_with_config("hidden_act", "gelu_new"), 1);
}

TEST(ParityComparison, FailsForAnotherEpsilonOfTheLayerNorms) {
  EXPECT_GT(share_with_config("layer_norm_eps", 1e-6), 1);
  EXPECT_GT(share_with_config("layer_norm_eps", 1e-5), 1);
}

TEST(ParityComparison, FailsForOneChangedWeight) {
  for (const char* name :
       {"bert.embeddings.LayerNorm.weight", "bert.encoder.layer.0.attention.self.query.weight",
        "bert.encoder.layer.1.attention.self.value.bias",
        "bert.encoder.layer.0.intermediate.dense.weight",
        "bert.encoder.layer.1.output.LayerNorm.bias", "convs.1.weight", "fc.bias"}) {
    EXPECT_GT(share_with_weight_changed(name, 0, 1e-3f), 1) << name;
  }
}

}  // namespace
}  // namespace bertcnn::parity
