// The computation that an engine schedules in earnest: tokenizer, model and trainer of one BertCnn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/clock.h"
#include "engine/compute.h"
#include "model/calibration_config.h"
#include "model/explanation.h"
#include "model/freeze_config.h"
#include "model/head_config.h"
#include "training/options.h"

namespace at {
class Tensor;
}
namespace bertcnn::kernels {
struct PackedBatch;
}
namespace bertcnn::model {
class BertCnn;
}
namespace bertcnn::text {
struct Encoding;
}
namespace bertcnn::training {
class Trainer;
struct MaskedLanguage;
}  // namespace bertcnn::training

namespace bertcnn::engine {

/// Options of `BertCnn.fromPretrained`. What is not set comes from the `bert_cnn` section of the
/// directory's config.json, else from the variant's defaults.
struct LoadOptions {
  std::string directory;
  std::optional<std::string> variant;       // frozen | fine-tune | max-over-time
  std::optional<std::string> problem_type;  // Hugging Face's names
  std::optional<std::vector<std::string>> labels;
  std::optional<int64_t> num_labels;
  std::optional<std::vector<int64_t>> filter_sizes;
  std::optional<int64_t> num_filters;
  std::optional<double> dropout;         // of the head
  std::optional<double> hidden_dropout;  // of BERT, like the next
  std::optional<double> attention_dropout;
  model::HeadOverrides head;
  std::optional<std::string> padding;    // ignore | include
  std::optional<std::string> long_text;  // truncate | window
  std::optional<int64_t> window_overlap;
  std::optional<model::Freeze> freeze;
  std::optional<int64_t> max_length;
  std::optional<uint64_t> seed;    // of new weights and of dropout; unset: drawn from the system
  std::optional<int64_t> threads;  // of one operation on the lead; unset: one a core
  std::string device = "auto";     // auto | cpu | cuda | cuda:N
  std::string dtype = "float32";
  bool tf32 = false;         // whether float32 products on a card may round to TF32
  int64_t memory_limit = 0;  // bytes that this process takes of a card at most; 0: all
};

/// What loading found, name by name.
struct LoadReport {
  std::vector<std::string> missing;      // the model has it, the source does not
  std::vector<std::string> unexpected;   // the source has it, the model does not; ignored
  std::vector<std::string> initialized;  // new weights, drawn from the seed
  Duration pack_time{};                  // 0 where the weights are packed at the next prediction
};

/// What the facade shows of a model. `config` is the JSON text of the config.json that would be
/// saved.
struct ModelInfo {
  std::string config;
  std::vector<std::string> labels;
  std::string problem_type;
  std::string device;
  std::string reason_for_cpu;  // why `auto` chose it where CUDA looks meant; else empty
  std::string dtype;
  int64_t max_length = 0;
  int64_t parameter_count = 0;
  LoadReport report;
};

/// Weights that are trained with one learning rate and one weight decay.
struct ParameterGroupInfo {
  std::string name;
  double learning_rate = 0;  // before the schedule
  double weight_decay = 0;
  std::vector<std::string> parameters;  // names in the state dict
  int64_t numel = 0;                    // elements of all of them
};

/// Where a training run stands.
struct TrainingPosition {
  int64_t step = 0;     // optimizer steps taken
  int64_t batches = 0;  // accumulated since
  std::string config;   // the model's config.json, with what is frozen
};

/// What a text's logit comes from, and the tokens that `explanation` counts.
struct TextExplanation {
  model::Explanation explanation;
  std::vector<std::string> tokens;
  std::vector<std::pair<int32_t, int32_t>> offsets;  // UTF-16 units; see text::Encoding
  bool truncated = false;
};

/// The mean cross entropy of guessing so many masked tokens.
struct MaskedLanguageLoss {
  double loss = 0;
  int64_t tokens = 0;
};

class ModelCompute final : public Compute {
 public:
  /// Reads a directory. Errors: ERR_FILE_NOT_FOUND, ERR_INVALID_CONFIG, ERR_UNSUPPORTED_CONFIG,
  /// ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_MISMATCH, ERR_DEVICE_UNAVAILABLE, ERR_TOKENIZER_FORMAT.
  /// `cancelled` is asked between weights: ERR_CANCELLED.
  static std::unique_ptr<ModelCompute> load(const LoadOptions& options,
                                            const CancelCheck& cancelled = {});
  ~ModelCompute() override;

  const ModelInfo& info() const;
  /// For looking at weights and, within a step's `cancelled`, at their gradients.
  const model::BertCnn& model() const;
  /// Rows as the encoder reads them; where long texts are read in windows, cut into these. Not with
  /// padding 'include'.
  kernels::PackedBatch pack(std::span<const TokenRow* const> rows) const;

  int64_t labels() const override;
  bool has_probabilities() const override;
  std::shared_ptr<const model::Calibration> calibration() const override;
  bool call_is_batch() const override;
  int64_t most_workers() const override;
  void use_threads(int64_t threads) override;
  TokenRow prepare(const Input& input, int64_t row) override;
  TokenRow example(int64_t length) const override;
  void predict(std::span<const TokenRow* const> rows, std::span<const RowOutput> outputs,
               const CancelCheck& cancelled) override;
  Prediction predict_call(const Input& input, const CancelCheck& cancelled) override;
  StepResult train_step(const TrainRequest& request, const CancelCheck& cancelled) override;
  FeatureCacheStats feature_cache() const override;
  DeviceMemory memory() const override;
  int64_t usual_batch_tokens() const override;
  int64_t warm_runs() const override;
  /// Gives a card what no tensor uses, graphs included; on the CPU what was kept for later.
  void empty_cache();

  /// Predicts a whole call as one batch, as steps see it: with the feature cache where training has
  /// one, which is used and filled.
  Prediction evaluate(const Input& input, const CancelCheck& cancelled = {});

  /// How well masked tokens of the texts are guessed, which ones are masked being drawn from
  /// `seed`. ERR_TRAINING_NOT_CONFIGURED: training has another objective. ERR_INVALID_INPUT. Of no
  /// tokens where all are special.
  MaskedLanguageLoss masked_language_loss(const std::vector<std::string>& texts, uint64_t seed,
                                          const CancelCheck& cancelled = {});

  /// Explains each text by itself, unpadded. ERR_INVALID_ARGUMENT, ERR_INVALID_INPUT: there is no
  /// tokenizer. ERR_UNSUPPORTED_CONFIG: see model::explain. `cancelled` is asked between layers.
  std::vector<TextExplanation> explain(const std::vector<std::string>& texts,
                                       const model::ExplanationTarget& target,
                                       const CancelCheck& cancelled = {});

  /// Sets up a new optimizer and drops the former one. Where that fails `train_step` throws the
  /// same; before the first call it throws ERR_TRAINING_NOT_CONFIGURED.
  void configure_training(const training::TrainingOptions& options);
  /// Drops the optimizer: `train_step` throws as before the first call.
  void end_training();
  /// What the optimizer trains. ERR_TRAINING_NOT_CONFIGURED, or what setting it up failed with.
  std::vector<ParameterGroupInfo> parameter_groups();
  /// Changes what the steps that follow train. A weight that stays trained keeps its optimizer's
  /// state. Where it throws nothing has changed. Training that guesses masked tokens ends where the
  /// whole encoder is frozen. Returns the configuration that the model now has.
  std::string set_freeze(const model::Freeze& freeze);
  /// Multiplies the learning rates of the steps that follow. ERR_TRAINING_NOT_CONFIGURED, or what
  /// setting it up failed with; ERR_INVALID_ARGUMENT.
  void scale_learning_rates(double scale);
  /// Changes what goes with the predictions that follow; an empty one takes it away.
  /// Returns the configuration that the model now has. Where it throws nothing has changed.
  std::string set_calibration(const model::Calibration& calibration);
  /// Writes the weights, and where training stands, as a .safetensors file that appears complete or
  /// not at all. ERR_TRAINING_NOT_CONFIGURED, ERR_IO.
  void save_training_state(const std::string& file);
  /// Goes on where a saved state stands: its weights, what is frozen, its options, the optimizer's
  /// and the dropout generator's state. Where it throws nothing has changed.
  TrainingPosition load_training_state(const std::string& file);
  /// Writes config.json, model.safetensors and the tokenizer's files; the directory appears
  /// complete or is left as it was.
  void save_pretrained(const std::string& directory);
  /// The same without the head of this model, as transformers writes a BertModel or, where there is
  /// BERT's own head, a BertForMaskedLM.
  void save_encoder(const std::string& directory);
  /// Replaces the weights by those of a .safetensors, .pt or .bin file. Strict: every name must
  /// match.
  LoadReport load_state_dict(const std::string& file, bool strict);
  /// Writes all weights as .safetensors or .pt, by the ending.
  void save_state_dict(const std::string& file);

 private:
  struct State;
  struct Batch;
  /// What `forward` makes of the call's rows, as a prediction.
  template <typename Forward>
  Prediction predict_whole(const Input& input, const CancelCheck& cancelled, Forward&& forward);
  Batch make_batch(const Input& input, const CancelCheck& cancelled, bool padded);
  explicit ModelCompute(std::unique_ptr<State> state);

  void predict_rows(std::span<const TokenRow* const> rows, std::span<const RowOutput> outputs,
                    const CancelCheck& cancelled);
  at::Tensor forward(const kernels::PackedBatch& batch, const CancelCheck& cancelled);
  /// With offsets, unless these are not wanted. ERR_INVALID_INPUT.
  text::Encoding tokenize(const std::string& text, bool offsets) const;
  /// Brings the encoder's plain weights back but for the lowest `layers`, from the packed ones or
  /// from where they came.
  void restore_weights(int64_t layers);
  /// Runs `work` with the plain weights in memory.
  template <typename Work>
  auto with_plain_weights(Work&& work);
  /// Writes a directory with these weights.
  template <typename Weights>
  void save(const std::string& directory, const std::string& config, const Weights& weights);
  /// Packs anew what training or loading has changed.
  void repack();
  bool repack_now_or_later() noexcept;
  /// ERR_TRAINING_NOT_CONFIGURED, or what setting it up failed with.
  training::Trainer& trainer();
  std::unique_ptr<training::MaskedLanguage> make_masked_language(
      const training::TrainingOptions& options) const;

  std::unique_ptr<State> state_;
};

}  // namespace bertcnn::engine
