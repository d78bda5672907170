import {
  throwIfAborted,
  whetherCancelled,
  whicheverFirst,
  type Cancel,
  type Limits,
} from "./calls.cjs";
import { nonEmptyString, nonNegativeNumber, shaped } from "./check.cjs";
import type { Dataset } from "./data/dataset.cjs";
import { warnOfCpu } from "./device-warning.cjs";
import { BertCnnError, toBertCnnError } from "./errors.cjs";
import {
  explainShape,
  readTarget,
  toExplanation,
  type ExplainOptions,
  type Explanation,
} from "./explain/explanation.cjs";
import { evaluate, type EvaluateOptions, type Evaluation } from "./fit/evaluate.cjs";
import { fit, type FitResult } from "./fit/fit.cjs";
import type { FitOptions } from "./fit/options.cjs";
import { pretrain, type PretrainOptions, type PretrainResult } from "./fit/pretrain.cjs";
import { readSource } from "./hub.cjs";
import { readInput, readTexts, rowCount, type TokenBatch } from "./input.cjs";
import type { ProblemType } from "./labels.cjs";
import { readCalibration, type Calibration } from "./metrics/calibration-values.cjs";
import { readModelConfig, type BertCnnConfig } from "./model-config.cjs";
import { nativeModule } from "./native-module.cjs";
import type {
  NativeInput,
  NativeLoadReport,
  NativeModel,
  NativePrediction,
  NativePredictOptions,
} from "./native.cjs";
import {
  classifyShape,
  loadShape,
  loadStateDictShape,
  predictShape,
  readFreeze,
  statsShape,
  stepShape,
  type BertCnnOptions,
  type ClassifyOptions,
  type Dtype,
  type Freeze,
  type LoadStateDictOptions,
  type PredictOptions,
  type StepOptions,
} from "./options.cjs";
import { readPath, readStateDictTarget, readTrainingStatePath } from "./paths.cjs";
import { defaultFunction, rank, type Classification } from "./scores.cjs";
import { reportStats, toEngineStats, type EngineStats, type StatsOptions } from "./stats.cjs";
import { Tensor } from "./tensor.cjs";
import { automaticThreads } from "./threads.cjs";
import { readTrainBatch, type TrainBatch } from "./train-batch.cjs";
import { readTrainingOptions, type TrainingOptions } from "./training-options.cjs";

/** What {@link BertCnn.predict} gives, row by row in the order of the input. */
export interface Prediction {
  /** `[rows, labels]` */
  logits: Tensor<"float32">;
  /** `[rows, labels]`: softmax for single-label, sigmoid for multi-label; `null` for regression. */
  probabilities: Tensor<"float32"> | null;
  /** `[rows]`: 1 where the end of a text was ignored, beyond the model's `maxLength` tokens, else 0. */
  truncated: Uint8Array;
}

/** What {@link BertCnn.trainStep} gives. */
export interface StepResult {
  /** Optimizer steps since {@link BertCnn.configureTraining}. */
  step: number;
  /** Whether this call ended in an optimizer step: without accumulation always, else every n-th time. */
  updated: boolean;
  /** The mean loss of the batch, before the step. */
  loss: number;
  /** `[rows, labels]`, of the forward pass with dropout; `[0, labels]` where masked tokens were guessed. */
  logits: Tensor<"float32">;
  /** The learning rates of this optimizer step, one for each group of {@link BertCnn.parameterGroups}. */
  learningRates: Float64Array;
  /** The global norm of the gradients, those accumulated included, before clipping. */
  gradNorm: number;
}

/** Weights that are trained with one learning rate and one weight decay. */
export interface ParameterGroup {
  /** What they are: `"encoder"`, `"layer 3"`, `"head, no decay"`. */
  readonly name: string;
  /** Before the schedule, which multiplies it from step to step. */
  readonly learningRate: number;
  /** 0 for biases and layer norms. */
  readonly weightDecay: number;
  /** Their names in the state dict. */
  readonly parameters: readonly string[];
  /** The number of their elements. */
  readonly numel: number;
}

/** Where a training run stands; see {@link BertCnn.loadTrainingState}. */
export interface TrainingPosition {
  /** Optimizer steps taken. */
  step: number;
  /** Batches since the last optimizer step, whose gradients are accumulated. */
  accumulatedBatches: number;
}

/** What loading weights found, name by name. */
export interface LoadReport {
  /** Names that the model has and the source has not. */
  readonly missing: readonly string[];
  /** Names that the source has and the model has not; they were ignored. */
  readonly unexpected: readonly string[];
  /** Names of new weights, drawn from the seed. */
  readonly initialized: readonly string[];
  /**
   * Seconds that went into bringing the weights into the processor's order, and for a shape that is new to
   * this machine into measuring which library multiplies it fastest. After
   * {@link BertCnn.loadStateDict} 0, since the next prediction does it.
   */
  readonly packSeconds: number;
}

function toLoadReport(report: NativeLoadReport): LoadReport {
  return {
    missing: [...report.missing],
    unexpected: [...report.unexpected],
    initialized: [...report.initialized],
    packSeconds: report.packSeconds,
  };
}

/** Texts that {@link BertCnn.explain} computes before others have their turn. */
const EXPLAINED_AT_ONCE = 8;

/** A tensor over an array of our own realm. */
function matrix(data: Float32Array, rows: number, labels: number): Tensor<"float32"> {
  return new Tensor("float32", new Float32Array(data), [rows, labels]);
}

/** The number of labels is given twice at most, and then the same. */
function checkLabelCount(
  labels: readonly string[] | undefined,
  numLabels: number | undefined,
): void {
  if (labels === undefined || numLabels === undefined || labels.length === numLabels) return;
  throw new BertCnnError(
    "ERR_INVALID_ARGUMENT",
    `Expected options.numLabels to be the ${String(labels.length)} of options.labels ` +
      `but received ${String(numLabels)}`,
  );
}

/**
 * Predicts as {@link BertCnn.predict} does, but in turn, as one batch, and with the feature cache of
 * {@link TrainingOptions.featureCache} where that acts: what it holds is not computed again, what it lacks is kept. For
 * evaluations between training steps; not exported by the package.
 *
 * @throws as {@link BertCnn.predict} does
 */
export let evaluateBatch: (
  model: BertCnn,
  input: string | readonly string[] | TokenBatch,
) => Promise<Prediction>;

/**
 * The mean cross entropy of guessing masked tokens, which are drawn from `seed`, and how many. Training was configured
 * for it.
 */
export let maskedLanguageLoss: (
  model: BertCnn,
  texts: readonly string[],
  seed: number,
) => Promise<{ readonly loss: number; readonly tokens: number }>;

/** Drops the optimizer, as if training had not been configured. */
export let endTraining: (model: BertCnn) => Promise<void>;

/**
 * A BERT encoder with a TextCNN head that classifies texts or scores them, and that can be trained.
 *
 * Every model has an engine with its own thread: no method computes on the JavaScript thread. Predictions
 * that wait are computed together. A training step, and everything else that changes or saves weights,
 * takes its turn: predictions asked for before it see the old weights, later ones the new.
 *
 * @example
 * ```ts
 * import { BertCnn } from "bertcnn";
 *
 * const model = await BertCnn.fromPretrained("./my-model");
 * const [best] = await model.classify("What a lovely film!");
 * console.log(best); // [{ label: "positive", score: 0.98 }]
 * await model.dispose();
 * ```
 */
export class BertCnn {
  /** The labels' names, in the order of the logits; frozen. */
  readonly labels: readonly string[];
  /** What the labels are. */
  readonly problemType: ProblemType;
  /** Where the model computes: `"cpu"` or `"cuda:N"`. */
  readonly device: string;
  /** The precision of its matrix products; where `"auto"` was asked for, the one chosen. */
  readonly dtype: Exclude<Dtype, "auto">;
  /** Tokens of a text, special tokens included, beyond which it is truncated or read in windows. */
  readonly maxLength: number;
  /** The number of weights. */
  readonly parameterCount: number;
  /** What loading found in the directory. */
  readonly loadReport: LoadReport;

  static {
    evaluateBatch = async (model, input) =>
      model.#toPrediction(
        await model.#run(() => model.#native.evaluate(readInput(input, "input"))),
      );
    endTraining = (model) => model.#run(() => model.#native.endTraining());
    maskedLanguageLoss = (model, texts, seed) =>
      model.#run(() => model.#native.maskedLanguageLoss(texts, seed));
  }

  readonly #native: NativeModel;
  #config: BertCnnConfig;
  readonly #endReports: () => void;
  #nextCall = 1;
  #flushing = false;
  #disposal: Promise<void> | undefined;

  private constructor(native: NativeModel, stats: StatsOptions) {
    const { info } = native;
    this.#native = native;
    // Weak, or a model that nobody disposes would live as long as its timer.
    const self = new WeakRef(this);
    this.#endReports = reportStats(() => self.deref(), stats);
    this.#config = readModelConfig(info.config);
    this.labels = Object.freeze([...info.labels]);
    this.problemType = info.problemType as ProblemType;
    this.device = info.device;
    warnOfCpu(info.reasonForCpu);
    this.dtype = info.dtype as Exclude<Dtype, "auto">;
    this.maxLength = info.maxLength;
    this.parameterCount = info.parameterCount;
    this.loadReport = toLoadReport(info.report);
  }

  /**
   * The configuration that {@link BertCnn.savePretrained} writes; frozen. What {@link BertCnn.setFreeze} and
   * {@link BertCnn.setCalibration} change through another handle of the model does not show here.
   */
  get config(): BertCnnConfig {
    return this.#config;
  }

  /**
   * Loads a model from a directory: one that {@link BertCnn.savePretrained} wrote, or a plain BERT
   * checkpoint (`config.json`, weights, the tokenizer's files), which gets a new head. Where there is no such
   * directory, `"name"` and `"organisation/name"` are models of the Hugging Face hub: taken from its cache, or
   * fetched into it.
   *
   * @example
   * ```ts
   * const model = await BertCnn.fromPretrained("./bert-base-uncased", {
   *   variant: "fine-tune",
   *   labels: ["negative", "positive"],
   *   seed: 1,
   * });
   * ```
   *
   * @param source - path of the directory, or a model's id
   * @param options - what the new head is like and where the model computes
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_FILE_NOT_FOUND`, `ERR_INVALID_CONFIG`,
   * `ERR_UNSUPPORTED_CONFIG`, `ERR_CHECKPOINT_FORMAT`, `ERR_CHECKPOINT_MISMATCH`, `ERR_TOKENIZER_FORMAT`,
   * `ERR_DEVICE_UNAVAILABLE`, `ERR_ADDON_LOAD` or `ERR_LIBTORCH_VERSION`, for an id also `ERR_NETWORK`,
   * `ERR_ACCESS_DENIED` or `ERR_IO`; or the signal's reason
   */
  static async fromPretrained(source: string, options?: BertCnnOptions): Promise<BertCnn> {
    const shape = shaped(options, "options", loadShape);
    const { revision, progress, signal, onStats, statsInterval, ...model } = shape;
    const { threads = automaticThreads() } = model;
    checkLabelCount(model.labels, model.numLabels);
    throwIfAborted(signal);
    const directory = await readSource(source, "model", { revision, progress, signal });
    throwIfAborted(signal);
    try {
      const loading = nativeModule().loadModel({ ...model, directory, threads });
      const native = await whicheverFirst(loading.model, loading.cancel, { signal });
      return new BertCnn(native, { onStats, statsInterval });
    } catch (error) {
      throwIfAborted(signal);
      throw toBertCnnError(error);
    }
  }

  /**
   * Another handle of a model that is open in this process, in the same thread or another of
   * `worker_threads`: the weights are in memory once, and calls of all handles wait in one queue.
   * What changes weights through one handle changes them for all.
   *
   * @example
   * ```ts
   * // main.mjs
   * const model = await BertCnn.fromPretrained("./my-model");
   * new Worker("./worker.mjs", { workerData: model.share() });
   * // worker.mjs
   * const model = BertCnn.fromShared(workerData);
   * ```
   *
   * @param token - what {@link BertCnn.share} gave
   * @param options - of this handle
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT` where the token is none, or its model's last handle was
   * disposed; `ERR_ADDON_LOAD` or `ERR_LIBTORCH_VERSION`
   */
  static fromShared(token: string, options?: StatsOptions): BertCnn {
    const stats = shaped(options, "options", statsShape);
    const checked = nonEmptyString(token, "token");
    try {
      return new BertCnn(nativeModule().openShared(checked), stats);
    } catch (error) {
      throw toBertCnnError(error);
    }
  }

  /**
   * The logits and probabilities of texts or tokens, without the model's {@link Calibration}. Any number of rows is
   * taken; an empty text is a row like any other.
   *
   * @example
   * ```ts
   * const { logits, probabilities, truncated } = await model.predict(["one text", "another"]);
   * logits.dims; // [2, model.labels.length]
   * ```
   *
   * @param input - a text, texts, or token ids
   * @param options - what may end the call early, and its priority
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_INVALID_INPUT`, `ERR_SEQUENCE_TOO_SHORT` (only
   * with `padding: "include"`), `ERR_QUEUE_FULL`, `ERR_TIMEOUT` or `ERR_DISPOSED`; or the signal's reason
   */
  async predict(
    input: string | readonly string[] | TokenBatch,
    options?: PredictOptions,
  ): Promise<Prediction> {
    const { signal, timeout, ...rest } = shaped(options, "options", predictShape);
    const rows = readInput(input, "input");
    return this.#toPrediction(await this.#predict(rows, { signal, timeout }, rest));
  }

  /**
   * The best labels of each text, by probabilities that the model's {@link Calibration} corrects.
   *
   * @example
   * ```ts
   * const [first, second] = await model.classify(["one text", "another"], { topK: 2 });
   * ```
   *
   * @param input - a text or texts
   * @param options - as for {@link BertCnn.predict}, and how many labels with which scores
   * @returns for each text its labels with their scores, best first
   * @throws as {@link BertCnn.predict} does
   */
  async classify(
    input: string | readonly string[],
    options?: ClassifyOptions,
  ): Promise<Classification[][]> {
    const shape = shaped(options, "options", classifyShape);
    const { signal, timeout, topK, functionToApply, ...rest } = shape;
    const prediction = await this.#predict(readTexts(input, "input"), { signal, timeout }, rest);
    const own = defaultFunction[this.problemType];
    return rank(prediction, this.labels, { own, apply: functionToApply ?? own, topK });
  }

  /**
   * Where each text's logit comes from, exactly and in one forward pass: the n-grams that are the maxima of filters and
   * what each adds, which with the bias are the logit. `docs/explanations.md` is its guide. Needs a head with
   * `pooling: "max"` and without a layer norm; each text is computed by itself, without padding. Takes its turn as a
   * step does, some texts at a time.
   *
   * @example
   * ```ts
   * const [explanation] = await model.explain("What a lovely film!", { label: "positive" });
   * explanation.ngrams[0]; // { text: "a lovely film", contribution: 1.31, without: 0.42, ... }
   * ```
   *
   * @param input - a text or texts
   * @param options - whose logit, compared with which, and what may end it early
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_INVALID_INPUT` (no tokenizer), `ERR_UNSUPPORTED_CONFIG`
   * (another head), `ERR_OUT_OF_MEMORY` or `ERR_DISPOSED`; or the signal's reason
   */
  async explain(
    input: string | readonly string[],
    options?: ExplainOptions,
  ): Promise<Explanation[]> {
    const shape = shaped(options, "options", explainShape);
    const texts = readTexts(input, "input");
    const target = readTarget(shape, this.labels);
    const model = { labels: this.labels, filterSizes: this.#config.bert_cnn.filter_sizes };
    const explanations: Explanation[] = [];
    for (let first = 0; first < texts.length; first += EXPLAINED_AT_ONCE) {
      throwIfAborted(shape.signal);
      const some = texts.slice(first, first + EXPLAINED_AT_ONCE);
      const found = await this.#run(() => this.#native.explain(some, target));
      for (const [i, one] of found.entries()) {
        explanations.push(toExplanation(one, some[i] ?? "", shape.against, model));
      }
    }
    throwIfAborted(shape.signal);
    return explanations;
  }

  /**
   * Sets up an optimizer for the steps that follow; a former one and what it remembers are dropped.
   *
   * @param options - the optimizer, its learning rates and their schedule, weight decay, clipping
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT` or `ERR_DISPOSED`. What fails later in the engine
   * is thrown by the {@link BertCnn.trainStep} calls that follow.
   */
  configureTraining(options?: TrainingOptions): void {
    const training = readTrainingOptions(options, this, this.#config.bert_cnn.padding);
    this.#assertUsable();
    // A failure is thrown by the steps that follow.
    this.#run(() => this.#native.configureTraining(training)).catch(() => undefined);
  }

  /**
   * What {@link BertCnn.trainStep} trains, in the order of {@link StepResult.learningRates}: the encoder's weights
   * from the embeddings up, then the head's, each part followed by its biases and layer norms, which have no weight
   * decay.
   *
   * @throws {@link BertCnnError} `ERR_TRAINING_NOT_CONFIGURED`, what setting up the optimizer failed with, or
   * `ERR_DISPOSED`
   */
  async parameterGroups(): Promise<ParameterGroup[]> {
    const groups = await this.#run(() => this.#native.parameterGroups());
    return groups.map((group) => ({ ...group, parameters: [...group.parameters] }));
  }

  /**
   * Changes what the steps that follow train; predictions stay as they are. Takes its turn as a step does, at any
   * time: before {@link BertCnn.configureTraining} or between steps. What stays trained keeps the state that its
   * optimizer has of it, what is trained anew begins without any. Guessing masked tokens ends where the whole encoder is
   * frozen. {@link BertCnn.savePretrained} writes it.
   *
   * @example Gradual unfreezing, from the top:
   * ```ts
   * const layers = model.config.num_hidden_layers;
   * for (let epoch = 0; epoch < 4; epoch++) {
   *   await model.setFreeze(Math.max(0, layers - 2 * epoch));
   *   for (const batch of batches) await model.trainStep(batch);
   * }
   * ```
   *
   * @param freeze - as {@link BertCnnOptions.freeze}
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`; `ERR_FILE_NOT_FOUND` or `ERR_CHECKPOINT_MISMATCH` where
   * the weights are kept in a lower precision only and the files that they came from are gone or changed;
   * `ERR_OUT_OF_MEMORY` or `ERR_DISPOSED`. Then what is trained stays as it was.
   */
  async setFreeze(freeze: Freeze): Promise<void> {
    const checked = readFreeze(freeze, "freeze");
    this.#config = readModelConfig(await this.#run(() => this.#native.setFreeze(checked)));
  }

  /**
   * Multiplies the learning rates of the steps that follow, those of all groups and whatever the schedule says, until
   * another scale is set or training is configured anew. Takes its turn as a step does.
   *
   * @example
   * ```ts
   * if (loss > bestLoss) await model.setLearningRateScale((scale /= 2));
   * ```
   *
   * @param scale - from 0 on; 1 is the schedule's own. {@link BertCnn.saveTrainingState} keeps it
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_TRAINING_NOT_CONFIGURED`, what setting up the optimizer
   * failed with, or `ERR_DISPOSED`
   */
  async setLearningRateScale(scale: number): Promise<void> {
    const checked = nonNegativeNumber(scale, "scale");
    await this.#run(() => this.#native.setLearningRateScale(checked));
  }

  /**
   * Changes the temperature and thresholds of {@link BertCnn.classify}; {@link BertCnn.predict} and training know
   * nothing of them. Takes its turn as a step does, and holds for all handles of the model: texts asked for before
   * it get the former calibration, later ones the new. {@link BertCnn.savePretrained} writes it.
   *
   * @example
   * ```ts
   * await model.setCalibration({ temperature: 1.7 });
   * const [best] = await model.classify("What a lovely film!"); // softmax(logits / 1.7)
   * ```
   *
   * @param calibration - replaces the former one, such as {@link fitCalibration} gives; `null` for none
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, also for a temperature of a regression, and for thresholds but
   * of `multi_label_classification`, one a label; or `ERR_DISPOSED`
   */
  async setCalibration(calibration: Calibration | null): Promise<void> {
    const checked = readCalibration(calibration, "calibration", this);
    this.#config = readModelConfig(await this.#run(() => this.#native.setCalibration(checked)));
  }

  /**
   * One optimizer step on one batch, or with `gradientAccumulationSteps` a share of one. Steps of one model are
   * taken in the order of the calls.
   *
   * @example
   * ```ts
   * model.configureTraining({ learningRate: 2e-5 });
   * const { loss } = await model.trainStep({
   *   texts: ["What a lovely film!", "A waste of time."],
   *   labels: ["positive", "negative"],
   * });
   * ```
   *
   * @param batch - texts or tokens, and their labels
   * @param options - what may end the call early
   * @throws {@link BertCnnError} `ERR_TRAINING_NOT_CONFIGURED`, `ERR_INVALID_ARGUMENT`, `ERR_INVALID_INPUT`,
   * `ERR_INVALID_LABELS`, `ERR_SEQUENCE_TOO_SHORT`, `ERR_NON_FINITE`, `ERR_QUEUE_FULL`,
   * `ERR_OUT_OF_MEMORY` or `ERR_DISPOSED`; or the signal's reason. A step that was rejected changed nothing, not
   * even what was accumulated before.
   */
  async trainStep(batch: TrainBatch, options?: StepOptions): Promise<StepResult> {
    const { signal } = shaped(options, "options", stepShape);
    const request = readTrainBatch(batch, this);
    throwIfAborted(signal);
    const { work, cancel } = this.#call((id) => this.#native.trainStep(id, request));
    const result = await whetherCancelled(work, cancel, signal);
    return {
      step: result.step,
      updated: result.updated,
      loss: result.loss,
      logits: matrix(result.logits, result.rows, result.labels),
      learningRates: new Float64Array(result.learningRates),
      gradNorm: result.gradNorm,
    };
  }

  /**
   * Goes on with BERT's own pre-training, on texts without labels: masked tokens are guessed (Devlin et al., 2019). On
   * texts like those of the task it makes a better start for {@link BertCnn.fit} (Gururangan et al., 2020). BERT's head
   * for it is read from the checkpoint, else drawn anew; {@link BertCnn.saveEncoder} writes it. The model keeps its own
   * head; what was configured for training is gone afterwards. `docs/pretraining.md` is its guide.
   *
   * @example
   * ```ts
   * await model.pretrain(Dataset.fromFile("all-tweets.jsonl", { labelColumn: null }), { epochs: 3 });
   * await model.fit(labelled, { evalDataset });
   * ```
   *
   * @param data - texts; labels do not count
   * @param options - how long and how
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT` (also where the model has no tokenizer with a mask token),
   * `ERR_INVALID_DATA`, `ERR_INVALID_INPUT`, `ERR_CHECKPOINT_MISMATCH` (the checkpoint's head does not fit), and what
   * {@link BertCnn.trainStep} throws; or the signal's reason. What is frozen is in any case as before
   */
  async pretrain(data: Dataset, options?: PretrainOptions): Promise<PretrainResult> {
    return pretrain(this, data, options);
  }

  /**
   * Trains on data: epochs of steps, evaluations, checkpoints that a killed run goes on from, and in the end the best
   * weights. `docs/fit.md` is its guide. Predictions go on meanwhile; other training of the model must not.
   *
   * @example
   * ```ts
   * const { train, test } = await Dataset.fromFile("reviews.csv").split({ testSize: 0.1, stratify: true });
   * const { best, evaluation } = await model.fit(train, {
   *   evalDataset: test,
   *   epochs: 3,
   *   schedule: "linear",
   *   warmupRatio: 0.1,
   *   metricForBestModel: "macroF1",
   *   outputDir: "./my-classifier",
   * });
   * ```
   *
   * @param data - what to train on
   * @param options - how long, how, and what is written
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_INVALID_DATA`, `ERR_INVALID_LABELS`, `ERR_INVALID_INPUT`,
   * `ERR_FILE_NOT_FOUND`, `ERR_IO`, `ERR_CHECKPOINT_FORMAT`, `ERR_CHECKPOINT_MISMATCH` (what a run is resumed with is not
   * what it began with), and what {@link BertCnn.trainStep} throws; a step that is `ERR_NON_FINITE` is left out and
   * counted, unless ten in a row are. Or the signal's reason
   */
  async fit(data: Dataset, options?: FitOptions): Promise<FitResult> {
    return fit(this, data, options);
  }

  /**
   * How well the model does on data: loss and metrics, with the logits that they are from.
   *
   * @param data - texts and what is right for them
   * @param options - what may end the call early, and whether progress is shown
   * @throws {@link BertCnnError} what reading the data and {@link BertCnn.predict} throw, `ERR_INVALID_LABELS`, and
   * `ERR_INVALID_INPUT` where there is no row; or the signal's reason
   */
  async evaluate(data: Dataset, options?: EvaluateOptions): Promise<Evaluation> {
    return evaluate(this, data, options);
  }

  /**
   * Writes all that {@link BertCnn.loadTrainingState} needs to go on with the training as if it had not been
   * interrupted: weights, options, what is frozen, the optimizer's state, the place in the schedule, accumulated
   * gradients and the dropout generator's state. The file appears complete or not at all; `docs/training.md` describes it.
   *
   * @param file - path that ends in `.safetensors`
   * @throws {@link BertCnnError} `ERR_TRAINING_NOT_CONFIGURED`, `ERR_INVALID_ARGUMENT`, `ERR_IO` or `ERR_DISPOSED`
   */
  async saveTrainingState(file: string): Promise<void> {
    const target = readTrainingStatePath(file, "file");
    await this.#run(() => this.#native.saveTrainingState(target));
  }

  /**
   * Goes on where {@link BertCnn.saveTrainingState} stopped, in this or another process: the steps that follow are,
   * bit for bit with the same threads on the same processor, those of the run that was not interrupted. It
   * configures training as it was configured then. The model must be like the one that was saved; only its weights
   * and what is frozen may differ, and are replaced.
   *
   * @example
   * ```ts
   * const model = await BertCnn.fromPretrained("./bert-base-uncased", options);
   * const { step } = await model.loadTrainingState("run.safetensors");
   * for (const batch of batches.slice(step)) await model.trainStep(batch);
   * ```
   *
   * @param file - path that ends in `.safetensors`
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_FILE_NOT_FOUND`, `ERR_IO`, `ERR_CHECKPOINT_FORMAT` (damaged,
   * or another kind of file), `ERR_CHECKPOINT_MISMATCH` (another model, with what differs), `ERR_DTYPE_UNAVAILABLE`,
   * `ERR_OUT_OF_MEMORY` or `ERR_DISPOSED`. The model and its training are then as before.
   */
  async loadTrainingState(file: string): Promise<TrainingPosition> {
    const source = readTrainingStatePath(file, "file");
    const position = await this.#run(() => this.#native.loadTrainingState(source));
    this.#config = readModelConfig(position.config);
    return { step: position.step, accumulatedBatches: position.batches };
  }

  /**
   * Writes a directory that {@link BertCnn.fromPretrained} reads, and Python too: `config.json`,
   * `model.safetensors` and the tokenizer's files. It appears complete or not at all.
   *
   * @param directory - path to write to; made where it is missing
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_IO` or `ERR_DISPOSED`
   */
  async savePretrained(directory: string): Promise<void> {
    const target = readPath(directory, "directory");
    await this.#run(() => this.#native.savePretrained(target));
  }

  /**
   * Writes the encoder alone, without the head of this model and its labels: a directory for a new model, and one that
   * transformers reads as `BertModel` and, where {@link BertCnn.pretrain} ran, as `BertForMaskedLM`. It appears complete
   * or not at all.
   *
   * @param directory - path to write to; made where it is missing
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_IO` or `ERR_DISPOSED`
   */
  async saveEncoder(directory: string): Promise<void> {
    const target = readPath(directory, "directory");
    await this.#run(() => this.#native.saveEncoder(target));
  }

  /**
   * Replaces the weights by those of a `.safetensors`, `.pt` or `.bin` file, for example a state dict that
   * `torch.save` wrote. Where it rejects, the weights stay as they were; so it takes their size in float32 once more
   * while it reads.
   *
   * @param file - path of the file
   * @param options - whether every name must match
   * @returns the names that did not match; with `strict` those of BERT's pooler at most, which plays no part
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_FILE_NOT_FOUND`, `ERR_CHECKPOINT_FORMAT`,
   * `ERR_CHECKPOINT_MISMATCH`, `ERR_IO`, `ERR_OUT_OF_MEMORY` or `ERR_DISPOSED`
   */
  async loadStateDict(file: string, options?: LoadStateDictOptions): Promise<LoadReport> {
    const { strict = true } = shaped(options, "options", loadStateDictShape);
    const source = readPath(file, "file");
    return toLoadReport(await this.#run(() => this.#native.loadStateDict(source, strict)));
  }

  /**
   * Writes all weights under the names that PyTorch's `load_state_dict(strict=True)` expects. The file
   * appears complete or not at all.
   *
   * @param file - path that ends in `.safetensors` or `.pt`
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_IO` or `ERR_DISPOSED`
   */
  async saveStateDict(file: string): Promise<void> {
    const target = readStateDictTarget(file, "file");
    await this.#run(() => this.#native.saveStateDict(target));
  }

  /**
   * Has every thread predict made-up batches: of a short text, of a long one, and a full one. What is set up at
   * first use is then there, and the first call takes no longer than others. On CUDA batches of these sizes are
   * recorded as graphs. Takes its turn as a training step does.
   *
   * @throws {@link BertCnnError} `ERR_OUT_OF_MEMORY` or `ERR_DISPOSED`
   */
  async warmup(): Promise<void> {
    await this.#run(() => this.#native.warmUp());
  }

  /**
   * Gives back memory that is kept for later batches: of a CUDA device all that no tensor uses, recorded graphs
   * included, on the CPU what was freed. Takes its turn as a training step does.
   *
   * @throws {@link BertCnnError} `ERR_DISPOSED`
   */
  async emptyCache(): Promise<void> {
    await this.#run(() => this.#native.emptyCache());
  }

  /**
   * A token that {@link BertCnn.fromShared} turns into another handle, here or in another thread of this process.
   * It can be sent to a worker as any string, it is the same each time, and it keeps nothing alive: it is
   * good for any number of handles until the model's last one is disposed.
   *
   * @throws {@link BertCnnError} `ERR_DISPOSED`
   */
  share(): string {
    this.#assertUsable();
    return this.#native.share();
  }

  /**
   * Counters of the engine.
   *
   * @throws {@link BertCnnError} `ERR_DISPOSED`
   */
  stats(): EngineStats {
    this.#assertUsable();
    return toEngineStats(this.#native.stats());
  }

  /**
   * Ends this handle: its calls that wait are rejected with `ERR_DISPOSED`, as are later ones. With the model's
   * last handle, usually the only one, the engine ends, no thread of it is left and its memory is free. May be
   * called again: the promise is the same.
   */
  dispose(): Promise<void> {
    this.#endReports();
    if (this.#disposal) return this.#disposal;
    const disposal = this.#run(() => this.#native.dispose());
    this.#disposal = disposal;
    disposal.catch(() => {
      this.#disposal = undefined; // without memory for it the model is still there
    });
    return disposal;
  }

  /** {@link BertCnn.dispose}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #assertUsable(): void {
    if (this.#disposal === undefined) return;
    throw new BertCnnError("ERR_DISPOSED", "The model was disposed; load it again to use it");
  }

  /** Hands work to the engine at once: what is asked for first is done first. */
  async #run<T>(start: () => Promise<T>): Promise<T> {
    this.#assertUsable();
    try {
      return await start();
    } catch (error) {
      throw toBertCnnError(error);
    }
  }

  /** The same for a call that can be cancelled. */
  #call<T>(start: (id: number) => Promise<T>): { work: Promise<T>; cancel: Cancel } {
    const id = this.#nextCall++;
    const cancel = (timedOut: boolean) => {
      if (this.#disposal === undefined) this.#native.cancel(id, timedOut);
    };
    return { work: this.#run(() => start(id)), cancel };
  }

  async #predict(
    input: NativeInput,
    limits: Limits,
    options: NativePredictOptions,
  ): Promise<NativePrediction> {
    throwIfAborted(limits.signal);
    this.#assertUsable();
    if (rowCount(input) === 0) return this.#emptyPrediction();
    const { work, cancel } = this.#call((id) => this.#native.predict(id, input, options));
    this.#flushSoon();
    return whicheverFirst(work, cancel, limits);
  }

  /**
   * Wakes the engine once this turn's calls are together, or it would take the first of them alone: the callers of
   * one batch go on in the same turn, and ask for more in it.
   */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#native.flush();
    });
  }

  #emptyPrediction(): NativePrediction {
    return {
      rows: 0,
      labels: this.labels.length,
      logits: new Float32Array(0),
      probabilities: this.problemType === "regression" ? null : new Float32Array(0),
      truncated: new Uint8Array(0),
    };
  }

  #toPrediction({ rows, labels, logits, probabilities, truncated }: NativePrediction): Prediction {
    return {
      logits: matrix(logits, rows, labels),
      probabilities: probabilities && matrix(probabilities, rows, labels),
      truncated: new Uint8Array(truncated),
    };
  }
}
