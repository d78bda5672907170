/**
 * Mistakes that the tests must notice: in a copy of the checkout `bad` takes the place of `good`, which must be there
 * exactly once. `native` names the program of C++ tests, `jest` the folder or file of test/unit that are to notice.
 * `npm run test:mutants` tries them.
 *
 * @type {readonly { file: string, good: string, bad: string, native?: string, jest?: string }[]}
 */
export const mutants = [
  // ---- reading files
  {
    native: "checkpoint",
    file: "native/checkpoint/safetensors.cc",
    good: "offsets->back() < offsets->front()",
    bad: "offsets->back() < 0",
  },
  {
    native: "checkpoint",
    file: "native/checkpoint/atomic_file.cc",
    good: "::unlink(temporary_.c_str());",
    bad: "static_cast<void>(temporary_);",
  },
  {
    native: "checkpoint",
    file: "native/checkpoint/atomic_file.cc",
    good: "open_temporary(old ? 0600 : 0666);",
    bad: "open_temporary(0600);",
  },
  {
    native: "text",
    file: "native/text/decoder.cc",
    good: "if (attached && i != 0) token",
    bad: "if (false) token",
  },
  // ---- the engine
  {
    native: "engine",
    file: "native/engine/batcher.cc",
    good: "favoured_age_ = chosen != lanes.begin();",
    bad: "favoured_age_ = false;",
  },
  {
    native: "engine",
    file: "native/engine/engine.cc",
    good: "depth + rows > options_.max_queue_rows",
    bad: "depth > options_.max_queue_rows",
  },
  {
    native: "engine",
    file: "native/engine/engine_batches.cc",
    good: "batch.tokens + length > max_batch_tokens_",
    bad: "batch.tokens > max_batch_tokens_",
  },
  {
    native: "engine",
    file: "native/engine/engine_batches.cc",
    good: "const bool ends = failure || ++row.call->finished_rows == row.call->rows;",
    bad: "const bool ends = failure || ++row.call->finished_rows > 0;",
  },
  {
    native: "engine",
    file: "native/engine/input_rows.cc",
    good: "if (view.mask(column) == 0) continue;",
    bad: "if (view.mask(column) < 0) continue;",
  },
  {
    native: "engine",
    file: "native/engine/input_rows.cc",
    good: "if (value < 0 || value >= limit) {",
    bad: "if (value < 0 || value > limit) {",
  },
  // ---- model and training
  {
    native: "model",
    file: "native/kernels/windows.cc",
    good: "(windows[i - 1].end + begin + 1) / 2",
    bad: "(windows[i - 1].end + begin) / 2",
  },
  {
    native: "model",
    file: "native/kernels/pooling.cc",
    good: "wins / sum_rows(wins, rows).index_select(0, rows.sequence)",
    bad: "wins",
  },
  {
    native: "model",
    file: "native/model/explain.cc",
    good: "ngram.without += weight * (best.next - best.value);",
    bad: "ngram.without -= weight * best.value;",
  },
  {
    native: "model",
    file: "native/training/schedule.cc",
    good: "std::ceil(total * *schedule.warmup_ratio)",
    bad: "std::floor(total * *schedule.warmup_ratio)",
  },
  {
    native: "model",
    file: "native/training/loss.cc",
    good: "rows / (static_cast<double>(counts.size()) * static_cast<double>(count))",
    bad: "rows / static_cast<double>(count)",
  },
  {
    native: "model",
    file: "native/training/masking.cc",
    good: "chosen.logical_and_(ordinary);",
    bad: "",
  },
  {
    native: "model",
    file: "native/training/parameter_groups.cc",
    good: 'return !name.ends_with(".bias") && ',
    bad: "return ",
  },
  {
    native: "model",
    file: "native/training/adamw.cc",
    good: "push_back(step + 1);",
    bad: "push_back(step + 0);",
  },
  {
    native: "model",
    file: "native/training/trainer.cc",
    good: "if (options_.max_grad_norm == 0 || scale >= 1) return;",
    bad: "if (options_.max_grad_norm == 0) return;",
  },
  // ---- TypeScript
  {
    jest: "scores.test",
    file: "src/scores.cts",
    good: "b.score - a.score",
    bad: "a.score - b.score",
  },
  {
    jest: "scores.test",
    file: "src/scores.cts",
    good: ">= (thresholds[label] ?? NaN)",
    bad: "> (thresholds[label] ?? NaN)",
  },
  {
    jest: "scores.test",
    file: "src/probabilities.cts",
    good: "row.reduce((a, b) => Math.max(a, b), -Infinity)",
    bad: "0",
  },
  {
    jest: "calls.test",
    file: "src/calls.cts",
    good: "if (callbacks.size > 0) return;",
    bad: "",
  },
  {
    jest: "labels.test",
    file: "src/labels.cts",
    good: "value >= labels.length",
    bad: "value > labels.length",
  },
  {
    jest: "data",
    file: "src/data/split.cts",
    good: "Math.ceil(size * rows - 1e-9)",
    bad: "Math.ceil(size * rows)",
  },
  {
    jest: "data",
    file: "src/data/split.cts",
    good: "remainder(b) - remainder(a)",
    bad: "remainder(a) - remainder(b)",
  },
  {
    jest: "data",
    file: "src/data/order.cts",
    good: "let begin = order.skip; begin < rows.length",
    bad: "let begin = 0; begin < rows.length",
  },
  {
    jest: "report",
    file: "src/report/event-record.cts",
    good: "+ 0xa282ead8",
    bad: "+ 0xa282ead9",
  },
  {
    jest: "hub.test",
    file: "src/hub.cts",
    good: "if (!isCommit(this.#revision)) await this.#cache.setCommit",
    bad: "if (isCommit(this.#revision)) await this.#cache.setCommit",
  },
  {
    jest: "input.test",
    file: "src/train-batch.cts",
    good: "(texts !== undefined && tokens !== undefined)",
    bad: "false",
  },
];
