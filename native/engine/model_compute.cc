#include "engine/model_compute.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <limits>
#include <mutex>
#include <numeric>
#include <random>
#include <utility>

#include "checkpoint/atomic_directory.h"
#include "checkpoint/checkpoint.h"
#include "cuda/host/batch_splitter.h"
#include "engine/input_rows.h"
#include "error.h"
#include "fault_point.h"
#include "json.h"
#include "kernels/arithmetic.h"
#include "kernels/card.h"
#include "kernels/linear_tuning.h"
#include "kernels/packed_batch.h"
#include "kernels/recycling_allocator.h"
#include "kernels/windows.h"
#include "model/bert_cnn.h"
#include "model/card_predictor.h"
#include "model/device.h"
#include "model/explain.h"
#include "model/weights.h"
#include "read_file.h"
#include "text/tokenizer.h"
#include "training/targets.h"
#include "training/trainer.h"
#include "training/training_state.h"

namespace bertcnn::engine {

using kernels::Arithmetic;

namespace fs = std::filesystem;

/// Bytes of config.json: room for 100,000 labels. Parsed it takes 30 times as much.
constexpr size_t kLargestConfig = 8 << 20;
/// Tokens that are evaluated together.
constexpr int64_t kEvaluatedTokens = 4096;

/// Tokens of a window, and those that it has in common with the next one at least.
struct WindowSizes {
  int64_t length;  // special tokens included
  int64_t overlap;
};

struct ModelCompute::State {
  State(model::BertCnnConfig config, at::Device device, uint64_t model_seed)
      : model(std::move(config), device),
        seed(model_seed),
        generator(model::make_generator(device, model_seed)) {}

  model::BertCnn model;
  uint64_t seed;
  at::Generator generator;  // of dropout
  std::optional<text::Tokenizer> tokenizer;
  std::string directory;
  std::vector<std::string> sources;  // directories and files that weights came from, in this order
  int64_t max_length = 0;
  std::optional<WindowSizes> windows;
  ModelInfo info;
  std::unique_ptr<training::MaskedLanguage> masked_language;  // once it was asked for
  std::unique_ptr<training::Trainer> trainer;
  std::exception_ptr training_failure;                    // of the last configure_training
  std::shared_ptr<const model::Calibration> calibration;  // the model's, or null

  // On a card: null on the CPU.
  std::unique_ptr<model::CardPredictor> card;
  cuda::BatchSplitter splitter;

  std::mutex packing;
  std::atomic<bool> packs_are_stale = false;  // weights have changed since they were packed

  InputLimits limits() const {
    const model::BertCnnConfig& config = model.config();
    return {config.bert.vocab_size, config.bert.type_vocab_size,
            config.bert.max_position_embeddings, config.largest_filter(),
            windows ? std::optional(windows->length) : std::nullopt};
  }
};

namespace {

/// Runs `work` and turns what libtorch throws into an Error.
template <typename Work>
auto translating_errors(Work&& work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    fail(model::says_out_of_memory(error) ? "ERR_OUT_OF_MEMORY" : "ERR_INTERNAL",
         error.what_without_backtrace());
  }
}

model::ConfigOverrides overrides_of(const LoadOptions& options) {
  return {.variant = options.variant,
          .problem_type = options.problem_type,
          .padding = options.padding,
          .long_text = options.long_text,
          .window_overlap = options.window_overlap,
          .freeze = options.freeze,
          .labels = options.labels,
          .num_labels = options.num_labels,
          .filter_sizes = options.filter_sizes,
          .num_filters = options.num_filters,
          .dropout = options.dropout,
          .hidden_dropout = options.hidden_dropout,
          .attention_dropout = options.attention_dropout,
          .head = options.head};
}

void check_cancelled(const CancelCheck& cancelled) {
  if (cancelled && cancelled()) fail("ERR_CANCELLED", "The call was cancelled.");
}

Arithmetic choose_card_arithmetic(const std::string& dtype, at::Device device) {
  if (dtype == "int8") {
    fail("ERR_DTYPE_UNAVAILABLE", "dtype 'int8' is not available on ", device.str(),
         ", only on the CPU.");
  }
  if (dtype == "float32") return Arithmetic::float32;
  return dtype == "float16" ? Arithmetic::float16 : Arithmetic::bfloat16;
}

/// How a model predicts on `device`.
Arithmetic choose_arithmetic(const std::string& dtype, at::Device device) {
  if (dtype != "float32" && dtype != "bfloat16" && dtype != "float16" && dtype != "int8" &&
      dtype != "auto") {
    fail("ERR_INVALID_ARGUMENT",
         "Expected 'float32', 'bfloat16', 'float16', 'int8' or 'auto' for dtype but received '",
         dtype, "'.");
  }
  if (!device.is_cpu()) return choose_card_arithmetic(dtype, device);
  if (dtype == "float16") {
    fail("ERR_DTYPE_UNAVAILABLE", "dtype 'float16' is not available on the CPU, only on CUDA.");
  }
  const std::string reason = kernels::unsupported_reason(Arithmetic::bfloat16);
  if (dtype == "auto") return reason.empty() ? Arithmetic::bfloat16 : Arithmetic::float32;
  if (dtype == "bfloat16" && !reason.empty()) {
    fail("ERR_DTYPE_UNAVAILABLE", "dtype 'bfloat16' is not available: ", reason,
         ". 'auto' would choose float32.");
  }
  if (dtype == "int8") return Arithmetic::int8;
  return dtype == "bfloat16" ? Arithmetic::bfloat16 : Arithmetic::float32;
}

/// Whether training multiplies in bfloat16: as the model predicts, unless `wanted` says so.
bool trains_in_bfloat16(std::optional<bool> wanted, const model::BertCnn& model) {
  if (!wanted) return model.arithmetic() == Arithmetic::bfloat16;
  if (!model.device().is_cpu()) return *wanted;
  const std::string reason = kernels::unsupported_reason(Arithmetic::bfloat16);
  if (*wanted && !reason.empty()) {
    fail("ERR_DTYPE_UNAVAILABLE", "Training in dtype 'bfloat16' is not available: ", reason,
         ". Use 'float32'.");
  }
  return *wanted;
}

const char* name_of(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::int8) return "int8";
  if (arithmetic == Arithmetic::float16) return "float16";
  return arithmetic == Arithmetic::bfloat16 ? "bfloat16" : "float32";
}

void refuse_to_train_narrow(const model::BertCnn& model) {
  const Arithmetic arithmetic = model.arithmetic();
  if (arithmetic != Arithmetic::int8 && arithmetic != Arithmetic::float16) return;
  fail("ERR_INVALID_ARGUMENT", "A model of dtype '", name_of(arithmetic),
       "' predicts only. Load it with 'float32' or 'bfloat16' to train.");
}

/// What was freed would else stay with the process.
void return_memory() {
  kernels::release_recycled_memory();
  malloc_trim(0);
}

/// Packs the weights. Unless training wants them, only the packed matrices stay in memory; on a
/// card the plain ones stay, too.
void pack_weights(model::BertCnn& model, Arithmetic arithmetic, bool keep_plain) {
  if (arithmetic == Arithmetic::autograd) return;
  keep_plain |= !model.device().is_cpu();
  model.pack(arithmetic, !keep_plain);
  if (!keep_plain) return_memory();
}

/// For predictions to hold: null where there is nothing to do.
std::shared_ptr<const model::Calibration> shared(const model::Calibration& calibration) {
  if (calibration.is_empty()) return nullptr;
  return std::make_shared<const model::Calibration>(calibration);
}

training::Surroundings surroundings_of(const model::BertCnn& model, const ModelInfo& info) {
  return {model.device().is_cpu() ? "cpu" : "cuda", info.dtype, info.max_length};
}

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

std::optional<text::Tokenizer> load_tokenizer(const fs::path& directory) {
  // Without a tokenizer a model still takes token ids.
  if (!fs::exists(directory / "tokenizer.json") && !fs::exists(directory / "vocab.txt")) {
    return std::nullopt;
  }
  return text::Tokenizer::from_directory(directory.string());
}

int64_t choose_max_length(const LoadOptions& options, const model::BertCnnConfig& config,
                          const std::optional<text::Tokenizer>& tokenizer) {
  constexpr int64_t kSpecialTokens = 2;
  const int64_t most = config.bert.max_position_embeddings;
  if (options.max_length) {
    if (*options.max_length < kSpecialTokens || *options.max_length > most) {
      fail("ERR_INVALID_ARGUMENT", "Expected an integer from ", kSpecialTokens, " to ", most,
           " (max_position_embeddings) for maxLength but received ", *options.max_length, ".");
    }
    return *options.max_length;
  }
  if (config.window_length) return *config.window_length;
  const auto own = tokenizer ? tokenizer->model_max_length() : std::nullopt;
  return own ? std::clamp(*own, std::min(kSpecialTokens, most), most) : most;
}

LoadReport report_of(const model::Mismatches& mismatches) {
  return {mismatches.missing, mismatches.unexpected, {}, {}};
}

TokenRow row_of(text::Encoding encoding) {
  TokenRow row;
  row.input_ids = std::move(encoding.ids);
  row.token_type_ids = std::move(encoding.type_ids);
  row.position_ids.resize(row.input_ids.size());
  std::iota(row.position_ids.begin(), row.position_ids.end(), 0);
  row.truncated = encoding.truncated;
  return row;
}

/// Rows of one length, pad positions included (`padding: "include"`).
kernels::PackedBatch pack_padded(const TokenBatch& batch, at::Device device) {
  kernels::PackedBatchBuilder builder;
  std::vector<int32_t> positions(batch.length);
  std::iota(positions.begin(), positions.end(), 0);
  const std::vector<int32_t> zeros(batch.length, 0);
  const std::vector<int32_t> ones(batch.length, 1);
  const auto part = [&](const std::vector<int32_t>& values, const std::vector<int32_t>& otherwise,
                        int64_t row) {
    return values.empty() ? std::span<const int32_t>(otherwise)
                          : std::span(values).subspan(row * batch.length, batch.length);
  };
  for (int64_t row = 0; row < batch.rows; ++row) {
    builder.add(part(batch.input_ids, zeros, row), part(batch.token_type_ids, zeros, row),
                positions, part(batch.attention_mask, ones, row));
  }
  return builder.build(device);
}

/// The windows that long texts are cut into, if they are. What a window is, is saved with the
/// model.
std::optional<WindowSizes> choose_windows(const LoadOptions& options, model::BertCnnConfig& config,
                                          int64_t max_length) {
  if (config.long_text == model::LongText::truncate) return std::nullopt;
  // An overlap that was chosen for windows of another length says nothing of these.
  if (config.window_length != max_length && !options.window_overlap) config.window_overlap.reset();
  config.window_length = max_length;
  return WindowSizes{max_length, config.overlap_of(max_length)};
}

at::Tensor targets_of(const Labels& labels, int64_t rows, const model::BertCnnConfig& config,
                      at::Device device) {
  const auto* classes = std::get_if<std::vector<int64_t>>(&labels);
  if ((config.problem_type == model::ProblemType::single_label) != (classes != nullptr)) {
    fail("ERR_INVALID_LABELS", "Expected ", classes ? "numbers" : "class indices",
         " as labels, since the problem type is ", model::name_of(config.problem_type), ".");
  }
  if (classes) return training::class_targets(*classes, rows, config.num_labels(), device);
  return training::float_targets(std::get<std::vector<float>>(labels), rows, config.num_labels(),
                                 config.problem_type == model::ProblemType::multi_label, device);
}

void check_labels(bool wanted, bool given) {
  if (wanted && !given) {
    fail("ERR_INVALID_LABELS", "Expected labels, one a row, but received none.");
  }
  if (!wanted && given) {
    fail("ERR_INVALID_ARGUMENT",
         "Expected no labels: training was configured with objective 'masked-language-model'.");
  }
}

bool guesses_tokens(const training::Trainer& trainer) {
  return trainer.options().objective == training::Objective::masked_language_model;
}

// ---- results

std::vector<float> to_vector(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU).contiguous();
  const float* data = host.const_data_ptr<float>();
  return {data, data + host.numel()};
}

at::Tensor probabilities_of(const at::Tensor& logits, model::ProblemType problem_type) {
  return problem_type == model::ProblemType::single_label ? at::softmax(logits, -1)
                                                          : at::sigmoid(logits);
}

}  // namespace

// ---- loading

std::unique_ptr<ModelCompute> ModelCompute::load(const LoadOptions& options,
                                                 const CancelCheck& cancelled) {
  return translating_errors([&] {
    kernels::install_recycling_allocator();
    const at::Device device = model::find_device(options.device);
    const Arithmetic arithmetic = choose_arithmetic(options.dtype, device);
    model::use_threads(options.threads.value_or(0));
    const fs::path directory = options.directory;
    const std::string config_path = (directory / "config.json").string();
    const json::Value config_json =
        json::parse(read_regular_file(config_path, kLargestConfig), config_path);
    auto config = model::BertCnnConfig::from_json(config_json, overrides_of(options));
    const auto matching = config.has_head ? model::Matching::whole : model::Matching::encoder;
    const auto source = checkpoint::Checkpoint::open(options.directory);
    // Before memory is taken for what config.json only claims to be there.
    model::compare_weights(model::BertCnn(config, at::kMeta), source, matching);
    check_cancelled(cancelled);

    const std::optional<text::Tokenizer> tokenizer = load_tokenizer(directory);
    const int64_t max_length = choose_max_length(options, config, tokenizer);
    const std::optional<WindowSizes> windows = choose_windows(options, config, max_length);
    const uint64_t seed = options.seed.value_or(random_seed());
    auto state = std::make_unique<State>(config, device, seed);
    state->directory = options.directory;
    if (!device.is_cpu()) {
      model::allow_tf32(options.tf32);
      kernels::card().limit_memory(device, options.memory_limit);
      state->card = std::make_unique<model::CardPredictor>(state->model);
    }
    state->sources = {options.directory};
    state->tokenizer = tokenizer;
    state->max_length = max_length;
    state->windows = windows;
    state->calibration = shared(config.calibration);

    LoadReport report = report_of(model::load_weights(state->model, source, matching, cancelled));
    fault_point("load");
    at::Generator initializer = model::make_generator(at::kCPU, seed);
    state->model.initialize(report.missing, initializer);
    report.initialized = report.missing;
    check_cancelled(cancelled);
    const auto begin = std::chrono::steady_clock::now();
    pack_weights(state->model, arithmetic, false);
    report.pack_time = std::chrono::steady_clock::now() - begin;

    ModelInfo& info = state->info;
    info.config = json::write(config.to_json());
    info.labels = config.labels;
    info.problem_type = model::name_of(config.problem_type);
    info.device = device.str();
    if (options.device == "auto" && device.is_cpu()) info.reason_for_cpu = model::reason_for_cpu();
    info.dtype = name_of(arithmetic);
    info.max_length = state->max_length;
    for (const auto& parameter : state->model.parameters()) {
      info.parameter_count += parameter.tensor.numel();
    }
    info.report = std::move(report);
    return std::unique_ptr<ModelCompute>(new ModelCompute(std::move(state)));
  });
}

ModelCompute::ModelCompute(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelCompute::~ModelCompute() {
  state_.reset();
  return_memory();
}

const ModelInfo& ModelCompute::info() const {
  return state_->info;
}

const model::BertCnn& ModelCompute::model() const {
  return state_->model;
}

int64_t ModelCompute::labels() const {
  return state_->model.config().num_labels();
}

bool ModelCompute::has_probabilities() const {
  return state_->model.config().problem_type != model::ProblemType::regression;
}

std::shared_ptr<const model::Calibration> ModelCompute::calibration() const {
  return state_->calibration;
}

bool ModelCompute::call_is_batch() const {
  return state_->model.config().padding == model::Padding::include;
}

int64_t ModelCompute::most_workers() const {
  // A card computes one batch after another, whoever asks.
  return state_->model.device().is_cpu() ? std::numeric_limits<int64_t>::max() : 1;
}

void ModelCompute::use_threads(int64_t threads) {
  model::use_threads(threads);
}

// ---- rows

TokenRow ModelCompute::prepare(const Input& input, int64_t row) {
  const InputLimits limits = state_->limits();
  if (const auto* tokens = std::get_if<TokenBatch>(&input)) return take_row(*tokens, row, limits);
  const auto& texts = std::get<std::vector<std::string>>(input);
  TokenRow result = row_of(tokenize(texts[row], /*offsets=*/false));
  check_row(result, row, limits);
  return result;
}

text::Encoding ModelCompute::tokenize(const std::string& text, bool offsets) const {
  if (!state_->tokenizer) {
    fail("ERR_INVALID_INPUT", "'", state_->directory,
         "' has no tokenizer (tokenizer.json or vocab.txt), so the model takes token ids only.");
  }
  fault_point("tokenize");
  text::EncodeOptions options;
  if (!state_->windows) options.max_length = static_cast<size_t>(state_->max_length);
  options.offsets = offsets;
  return state_->tokenizer->encode(text, options);
}

TokenRow ModelCompute::example(int64_t length) const {
  const InputLimits limits = state_->limits();
  // A padded batch must be as long as the largest filter, a text no longer than its maxLength.
  const int64_t wanted = std::max(limits.largest_filter, std::min(length, state_->max_length));
  const auto size = static_cast<size_t>(std::min(wanted, limits.max_positions));
  TokenRow row{std::vector<int32_t>(size, 0), std::vector<int32_t>(size, 0),
               std::vector<int32_t>(size)};
  std::iota(row.position_ids.begin(), row.position_ids.end(), 0);
  return row;
}

kernels::PackedBatch ModelCompute::pack(std::span<const TokenRow* const> rows) const {
  constexpr int64_t kSpecialTokens = 2;
  const std::optional<WindowSizes>& sizes = state_->windows;
  kernels::PackedBatchBuilder builder;
  for (const TokenRow* row : rows) {
    const auto length = std::ssize(row->input_ids);
    if (sizes && length > sizes->length) {
      const auto windows = kernels::cut_windows(length - kSpecialTokens,
                                                sizes->length - kSpecialTokens, sizes->overlap);
      builder.add_windows(row->input_ids, row->token_type_ids, windows);
    } else {
      builder.add(row->input_ids, row->token_type_ids, row->position_ids);
    }
  }
  return builder.build(state_->model.device());
}

/// A whole call, as the model's padding mode wants it.
struct ModelCompute::Batch {
  kernels::PackedBatch packed;
  std::vector<uint8_t> truncated;  // [rows]
};

ModelCompute::Batch ModelCompute::make_batch(const Input& input, const CancelCheck& cancelled,
                                             bool padded) {
  const InputLimits limits = state_->limits();
  const at::Device device = state_->model.device();
  if (const auto* tokens = std::get_if<TokenBatch>(&input); tokens && padded) {
    check_padded(*tokens, limits);
    return {pack_padded(*tokens, device), std::vector<uint8_t>(tokens->rows, 0)};
  }
  Batch batch;
  std::vector<TokenRow> rows;
  for (int64_t row = 0; row < row_count(input); ++row) {
    check_cancelled(cancelled);
    rows.push_back(prepare(input, row));
    batch.truncated.push_back(rows.back().truncated ? 1 : 0);
  }
  if (padded) {
    const TokenBatch tokens = pad(rows, state_->tokenizer->pad_token_id());
    check_padded(tokens, limits);
    batch.packed = pack_padded(tokens, device);
  } else {
    std::vector<const TokenRow*> pointers;
    pointers.reserve(rows.size());
    for (const TokenRow& row : rows) pointers.push_back(&row);
    batch.packed = pack(pointers);
  }
  return batch;
}

// ---- weights

void ModelCompute::restore_weights(int64_t layers) {
  state_->model.restore_encoder(layers, [&](const kernels::ParameterList& lost) {
    for (const std::string& source : state_->sources) {
      // Files of a run that is over may be gone; whether the others do is looked at in the end.
      if (source != state_->directory && !fs::exists(source)) continue;
      model::reload_weights(state_->model, lost, checkpoint::Checkpoint::open(source));
    }
  });
}

template <typename Work>
auto ModelCompute::with_plain_weights(Work&& work) {
  const int64_t released = state_->model.released_layers();
  restore_weights(0);
  struct Release {
    State& state;
    int64_t layers;
    ~Release() { state.model.release_encoder(layers); }
  } const release{*state_, released};
  return work();
}

void ModelCompute::repack() {
  if (!state_->packs_are_stale) return;
  const std::scoped_lock lock(state_->packing);
  if (!state_->packs_are_stale) return;
  if (state_->card) state_->card->forget_graphs();
  pack_weights(state_->model, state_->model.arithmetic(), true);
  state_->packs_are_stale = false;
}

/// What is left of a change that was made: without memory for it now, the next prediction tries
/// again.
bool ModelCompute::repack_now_or_later() noexcept {
  try {
    repack();
    return true;
  } catch (...) {
    return false;
  }
}

// ---- predicting

void ModelCompute::predict(std::span<const TokenRow* const> rows,
                           std::span<const RowOutput> outputs, const CancelCheck& cancelled) {
  translating_errors([&] {
    repack();
    const c10::InferenceMode inference;
    if (!state_->card) {
      predict_rows(rows, outputs, cancelled);
      return;
    }
    std::vector<int64_t> tokens;
    for (const TokenRow* row : rows) tokens.push_back(std::ssize(row->input_ids));
    state_->splitter.run(tokens, {.compute =
                                      [&](int64_t first, int64_t end) {
                                        predict_rows(rows.subspan(first, end - first),
                                                     outputs.subspan(first, end - first),
                                                     cancelled);
                                      },
                                  .ran_out = model::ran_out_of_memory,
                                  .free_memory = [&] { empty_cache(); }});
  });
}

at::Tensor ModelCompute::forward(const kernels::PackedBatch& batch, const CancelCheck& cancelled) {
  const kernels::ForwardContext context{false, state_->generator, cancelled};
  return state_->card ? state_->card->logits(batch, context)
                      : state_->model.forward(batch, context);
}

void ModelCompute::predict_rows(std::span<const TokenRow* const> rows,
                                std::span<const RowOutput> outputs, const CancelCheck& cancelled) {
  const auto packed = pack(rows);
  const at::Tensor logits = forward(packed, cancelled);
  fault_point("results of a batch");
  const std::vector<float> values = to_vector(logits);
  const std::vector<float> shares =
      has_probabilities() ? to_vector(probabilities_of(logits, state_->model.config().problem_type))
                          : std::vector<float>();
  const int64_t width = labels();
  for (size_t row = 0; row < rows.size(); ++row) {
    std::copy_n(values.begin() + row * width, width, outputs[row].logits);
    if (!shares.empty()) {
      std::copy_n(shares.begin() + row * width, width, outputs[row].probabilities);
    }
  }
}

DeviceMemory ModelCompute::memory() const {
  return state_->card ? kernels::card().memory(state_->model.device()) : DeviceMemory{};
}

int64_t ModelCompute::usual_batch_tokens() const {
  constexpr int64_t kCard = 16'384;
  return state_->card ? kCard : Compute::usual_batch_tokens();
}

int64_t ModelCompute::warm_runs() const {
  return state_->card ? cuda::GraphCache<int>::kUsesBefore : 1;
}

void ModelCompute::empty_cache() {
  if (!state_->card) {
    return_memory();
    return;
  }
  state_->card->forget_graphs();
  kernels::card().empty_cache();
}

template <typename Forward>
Prediction ModelCompute::predict_whole(const Input& input, const CancelCheck& cancelled,
                                       Forward&& forward) {
  return translating_errors([&]() -> Prediction {
    if (row_count(input) == 0) return Prediction{.labels = labels()};
    repack();
    const c10::InferenceMode inference;
    Batch batch = make_batch(input, cancelled, call_is_batch());
    const at::Tensor logits = forward(batch.packed);
    fault_point("results of a call");
    Prediction prediction;
    prediction.rows = batch.packed.texts();
    prediction.labels = labels();
    prediction.tokens = batch.packed.tokens();
    prediction.logits = to_vector(logits);
    if (has_probabilities()) {
      prediction.probabilities =
          to_vector(probabilities_of(logits, state_->model.config().problem_type));
    }
    prediction.truncated = std::move(batch.truncated);
    prediction.calibration = calibration();
    return prediction;
  });
}

Prediction ModelCompute::predict_call(const Input& input, const CancelCheck& cancelled) {
  return predict_whole(input, cancelled, [&](const kernels::PackedBatch& batch) {
    return forward(batch, cancelled);
  });
}

Prediction ModelCompute::evaluate(const Input& input, const CancelCheck& cancelled) {
  if (!state_->trainer) return predict_call(input, cancelled);
  return predict_whole(input, cancelled, [&](const kernels::PackedBatch& batch) {
    return state_->trainer->predict(batch, cancelled);
  });
}

MaskedLanguageLoss ModelCompute::masked_language_loss(const std::vector<std::string>& texts,
                                                      uint64_t seed, const CancelCheck& cancelled) {
  return translating_errors([&]() -> MaskedLanguageLoss {
    if (!guesses_tokens(trainer())) {
      fail("ERR_TRAINING_NOT_CONFIGURED",
           "Configure training with objective 'masked-language-model' first.");
    }
    repack();
    const c10::InferenceMode inference;
    const kernels::PackedBatch batch = make_batch(texts, cancelled, false).packed;
    training::MaskedLanguage language = *state_->masked_language;
    language.masking.seed = seed;
    MaskedLanguageLoss result;
    result.tokens = training::each_masked_run(
        batch, language, 0, kEvaluatedTokens, [&](const training::MaskedRun& run) {
          const at::Tensor loss = training::masked_language_loss(
              state_->model, language, run, {false, state_->generator, cancelled});
          result.loss += loss.item<double>() * run.share;
        });
    return result;
  });
}

// ---- explaining

std::vector<TextExplanation> ModelCompute::explain(const std::vector<std::string>& texts,
                                                   const model::ExplanationTarget& target,
                                                   const CancelCheck& cancelled) {
  return translating_errors([&] {
    repack();
    const c10::InferenceMode inference;
    const InputLimits limits = state_->limits();
    std::vector<TextExplanation> explanations;
    for (const std::string& text : texts) {
      text::Encoding encoding = tokenize(text, /*offsets=*/true);
      TextExplanation& result = explanations.emplace_back();
      for (const int32_t id : encoding.ids) {
        result.tokens.push_back(state_->tokenizer->id_to_token(id).value_or(""));
      }
      result.offsets = std::move(encoding.offsets);
      result.truncated = encoding.truncated;
      const TokenRow row = row_of(std::move(encoding));
      check_row(row, static_cast<int64_t>(explanations.size()) - 1, limits);
      const TokenRow* const rows[] = {&row};
      const auto packed = pack(rows);
      fault_point("explain");
      result.explanation = std::move(
          model::explain(state_->model, packed, target, {false, state_->generator, cancelled})[0]);
    }
    return explanations;
  });
}

// ---- training

void ModelCompute::configure_training(const training::TrainingOptions& options) {
  state_->trainer.reset();
  state_->training_failure = nullptr;
  try {
    training::check(options);
    refuse_to_train_narrow(state_->model);
    translating_errors([&] {
      training::TrainingOptions resolved = options;
      resolved.bfloat16 = trains_in_bfloat16(options.bfloat16, state_->model);
      restore_weights(state_->model.frozen_layers());
      fault_point("configure training");
      std::unique_ptr<training::MaskedLanguage> language = make_masked_language(resolved);
      state_->trainer = std::make_unique<training::Trainer>(state_->model, resolved,
                                                            state_->generator, language.get());
      if (language) state_->masked_language = std::move(language);
    });
  } catch (...) {
    state_->training_failure = std::current_exception();
    throw;
  }
}

/// What such an objective wants beside the model, with the head that there is; null for another.
std::unique_ptr<training::MaskedLanguage> ModelCompute::make_masked_language(
    const training::TrainingOptions& options) const {
  if (options.objective != training::Objective::masked_language_model) return nullptr;
  const model::BertConfig& bert = state_->model.config().bert;
  const auto mask = state_->tokenizer ? state_->tokenizer->mask_token_id() : std::nullopt;
  if (!mask || *mask >= bert.vocab_size) {
    fail(
        "ERR_INVALID_ARGUMENT",
        "Objective 'masked-language-model' needs a tokenizer with a mask token, and the model in '",
        state_->directory, "' has none.");
  }
  const std::vector<int32_t> special = state_->tokenizer->special_token_ids();
  const training::MaskingOptions masking{options.mask_probability,
                                         *mask,
                                         {special.begin(), special.end()},
                                         bert.vocab_size,
                                         state_->seed};
  const auto make = [&masking](model::MaskedLanguageHead head) {
    return std::make_unique<training::MaskedLanguage>(std::move(head), masking);
  };
  if (state_->masked_language) return make(state_->masked_language->head);
  model::MaskedLanguageHead head(
      bert, at::TensorOptions().dtype(at::kFloat).device(state_->model.device()));
  const auto& sources = state_->sources;
  const bool loaded =
      std::any_of(sources.rbegin(), sources.rend(), [&head](const std::string& source) {
        if (!fs::exists(source)) return false;
        const auto values =
            model::read_all_or_none(head.parameters(), checkpoint::Checkpoint::open(source));
        if (!values.empty()) model::copy_weights(values, head.parameters());
        return !values.empty();
      });
  if (!loaded) {
    at::Generator generator = model::make_generator(at::kCPU, state_->seed);
    head.initialize(bert.initializer_range, generator);
  }
  return make(std::move(head));
}

void ModelCompute::end_training() {
  state_->trainer.reset();
  state_->training_failure = nullptr;
}

training::Trainer& ModelCompute::trainer() {
  if (state_->training_failure) std::rethrow_exception(state_->training_failure);
  if (!state_->trainer) {
    fail("ERR_TRAINING_NOT_CONFIGURED", "Call configureTraining first.");
  }
  return *state_->trainer;
}

std::vector<ParameterGroupInfo> ModelCompute::parameter_groups() {
  std::vector<ParameterGroupInfo> groups;
  for (const training::ParameterGroup& group : trainer().optimizer().groups()) {
    ParameterGroupInfo& info = groups.emplace_back(
        ParameterGroupInfo{group.name, group.learning_rate, group.weight_decay, {}, 0});
    for (const kernels::Parameter& parameter : group.parameters) {
      info.parameters.push_back(parameter.name);
      info.numel += parameter.tensor.numel();
    }
  }
  return groups;
}

std::string ModelCompute::set_freeze(const model::Freeze& freeze) {
  return translating_errors([&] {
    model::BertCnn& model = state_->model;
    model::BertCnn::FreezeState former = model.set_freeze(freeze);
    std::string config;
    std::string result;
    try {
      config = json::write(model.config().to_json());
      result = config;
      fault_point("set freeze");
      if (state_->trainer && guesses_tokens(*state_->trainer) && model.encoder_is_frozen()) {
        state_->trainer.reset();  // nothing is left to train
      } else if (state_->trainer) {
        restore_weights(model.frozen_layers());
        state_->trainer->follow_freeze();
      }
    } catch (...) {
      model.exchange_freeze(former);
      throw;
    }
    state_->info.config = std::move(config);
    repack_now_or_later();  // layers that were trained and are frozen now compute with the packs
    return result;
  });
}

void ModelCompute::scale_learning_rates(double scale) {
  trainer().scale_learning_rates(scale);
}

std::string ModelCompute::set_calibration(const model::Calibration& calibration) {
  std::shared_ptr<const model::Calibration> next = shared(calibration);
  model::Calibration former = state_->model.config().calibration;
  state_->model.set_calibration(calibration);
  std::string config;
  std::string result;
  try {
    config = json::write(state_->model.config().to_json());
    result = config;
  } catch (...) {
    state_->model.set_calibration(std::move(former));
    throw;
  }
  state_->calibration = std::move(next);
  state_->info.config = std::move(config);
  return result;
}

StepResult ModelCompute::train_step(const TrainRequest& request, const CancelCheck& cancelled) {
  return translating_errors([&] {
    training::Trainer& trainer = this->trainer();
    const int64_t rows = row_count(request.input);
    if (rows == 0) fail("ERR_INVALID_INPUT", "Expected at least one row to train on.");
    const model::BertCnn& model = state_->model;
    const bool has_labels = !guesses_tokens(trainer);
    check_labels(has_labels, request.labels.has_value());
    const at::Tensor targets =
        has_labels ? targets_of(*request.labels, rows, model.config(), model.device())
                   : at::Tensor();
    // Guessing tokens knows no convolutions, and so no padding either.
    const Batch batch = make_batch(request.input, cancelled, call_is_batch() && has_labels);
    // Stale as soon as the step is taken, and memory that the step may want.
    if (state_->card) state_->card->forget_graphs();
    state_->model.drop_trained_packs();
    state_->packs_are_stale = true;
    training::TrainerStep step = trainer.step(batch.packed, targets, cancelled);
    StepResult result;
    result.step = step.step;
    result.updated = step.updated;
    result.loss = step.loss;
    result.rows = has_labels ? rows : 0;
    result.labels = labels();
    result.logits = std::move(step.logits);
    result.learning_rates = std::move(step.learning_rates);
    result.grad_norm = step.grad_norm;
    return result;
  });
}

FeatureCacheStats ModelCompute::feature_cache() const {
  if (!state_->trainer) return {};
  const training::FeatureCounts counts = state_->trainer->feature_counts();
  return {counts.rows, counts.memory_bytes, counts.file_bytes, counts.hits, counts.misses};
}

void ModelCompute::save_training_state(const std::string& file) {
  translating_errors([&] {
    const training::Trainer& trainer = this->trainer();
    if (guesses_tokens(trainer)) {
      fail("ERR_INVALID_ARGUMENT",
           "A training state is of objective 'classification' only; save the model instead.");
    }
    if (!file.ends_with(".safetensors")) {
      fail("ERR_INVALID_ARGUMENT", "Expected a file name that ends in .safetensors but received '",
           file, "'.");
    }
    with_plain_weights([&] {
      training::save_training_state(file, state_->model, trainer,
                                    surroundings_of(state_->model, state_->info));
    });
  });
}

TrainingPosition ModelCompute::load_training_state(const std::string& file) {
  return translating_errors([&]() -> TrainingPosition {
    model::BertCnn& model = state_->model;
    refuse_to_train_narrow(model);
    const training::TrainingState stored(file, model, surroundings_of(model, state_->info));
    trains_in_bfloat16(stored.options().bfloat16, model);
    const kernels::ParameterList weights = stored.read_weights(model);
    const int64_t released = model.released_layers();
    restore_weights(0);
    std::unique_ptr<training::Trainer> trainer;
    std::optional<model::BertCnn::FreezeState> former;
    TrainingPosition position;
    std::string config;
    at::Tensor generator_state;
    try {
      former = model.set_freeze(stored.freeze());
      trainer = stored.make_trainer(model, state_->generator);
      generator_state = stored.generator_state();
      config = json::write(model.config().to_json());
      position = {trainer->steps(), trainer->batches(), config};
      kernels::choose_linear_libraries(stored.linear_libraries());
      fault_point("load training state");
    } catch (...) {
      if (former) model.exchange_freeze(*former);
      model.release_encoder(released);
      throw;
    }

    // From here on nothing is refused.
    const int64_t layers = std::min(released, model.frozen_layers());
    const bool can_release = model.can_release(layers);
    state_->packs_are_stale = true;
    model::copy_weights(weights, model.parameters());
    state_->generator.set_state(generator_state);
    state_->trainer = std::move(trainer);
    state_->training_failure = nullptr;
    state_->info.config = std::move(config);
    if (repack_now_or_later() && can_release) model.release_encoder(layers);
    return position;
  });
}

// ---- saving

template <typename Weights>
void ModelCompute::save(const std::string& directory, const std::string& config,
                        const Weights& weights) {
  translating_errors([&] {
    checkpoint::AtomicDirectory target(directory);
    with_plain_weights([&] {
      const model::SavedWeights saved = model::save_weights(weights);
      checkpoint::write_safetensors(target.path("model.safetensors"), saved.tensors,
                                    {{"format", "pt"}});
    });
    target.write("config.json", config + "\n");
    if (state_->tokenizer) {
      for (const text::SourceFile& file : state_->tokenizer->files()) {
        target.write(file.name, file.bytes);
      }
    }
    fault_point("save");
    target.commit();
  });
}

void ModelCompute::save_pretrained(const std::string& directory) {
  save(directory, state_->info.config, state_->model.parameters());
}

void ModelCompute::save_encoder(const std::string& directory) {
  kernels::ParameterList weights = state_->model.parameters();
  std::erase_if(weights, [](const auto& weight) { return !weight.name.starts_with("bert."); });
  json::Value config = state_->model.config().to_json();
  for (const char* name : {"bert_cnn", "id2label", "label2id", "num_labels", "problem_type"}) {
    config.erase(name);
  }
  const char* architecture = state_->masked_language ? "BertForMaskedLM" : "BertModel";
  config.set("architectures", json::Array{json::Value(architecture)});
  if (state_->masked_language) {
    const auto& head = state_->masked_language->head.parameters();
    weights.insert(weights.end(), head.begin(), head.end());
  }
  save(directory, json::write(config), weights);
}

LoadReport ModelCompute::load_state_dict(const std::string& file, bool strict) {
  return translating_errors([&] {
    // Read as a whole first: whatever fails, nothing has changed.
    const auto source = checkpoint::Checkpoint::open(file);
    const auto matching = strict ? model::Matching::strict : model::Matching::lenient;
    model::BertCnn& model = state_->model;
    const model::ReadWeights read = model::read_weights(model, source, matching);
    kernels::ParameterList head;
    if (state_->masked_language) {
      head = model::read_all_or_none(state_->masked_language->head.parameters(), source);
    }
    LoadReport report = report_of(read.mismatches);
    std::vector<std::string> sources = state_->sources;
    sources.push_back(file);
    fault_point("load state dict");
    const int64_t released = model.released_layers();
    restore_weights(0);

    state_->packs_are_stale = true;
    model::copy_weights(read.values, model.parameters());
    if (!head.empty()) model::copy_weights(head, state_->masked_language->head.parameters());
    state_->sources = std::move(sources);
    // Else the plain weights stay until they are packed.
    if (repack_now_or_later()) model.release_encoder(released);
    return report;
  });
}

void ModelCompute::save_state_dict(const std::string& file) {
  translating_errors([&] {
    const bool safetensors = file.ends_with(".safetensors");
    if (!safetensors && !file.ends_with(".pt") && !file.ends_with(".pth") &&
        !file.ends_with(".bin")) {
      fail("ERR_INVALID_ARGUMENT",
           "Expected a file name that ends in .safetensors, .pt, .pth or .bin but received '", file,
           "'.");
    }
    with_plain_weights([&] {
      const model::SavedWeights weights = model::save_weights(state_->model.parameters());
      fault_point("save state dict");
      if (safetensors) {
        checkpoint::write_safetensors(file, weights.tensors, {{"format", "pt"}});
      } else {
        checkpoint::write_pytorch(file, weights.tensors);
      }
    });
  });
}

}  // namespace bertcnn::engine
