import { endTraining, maskedLanguageLoss, type BertCnn, type StepResult } from "../bert-cnn.cjs";
import { throwIfAborted } from "../calls.cjs";
import {
  abortSignal,
  boolean,
  naturalNumber,
  positiveInteger,
  shaped,
  unexpected,
  type Check,
} from "../check.cjs";
import { Dataset } from "../data/dataset.cjs";
import { BertCnnError } from "../errors.cjs";
import { callback, readFreeze, type Freeze } from "../options.cjs";
import {
  maskProbability,
  OF_CLASSIFIER,
  readTrainingOptions,
  trainingShapeWithoutData,
  type TrainingOptions,
} from "../training-options.cjs";
import { Progress } from "./progress.cjs";

/** How well masked tokens are guessed. */
export interface MaskedLanguageEvaluation {
  /** Optimizer steps taken. */
  readonly step: number;
  /** Passes over the data, with the fraction of the one that goes on. */
  readonly epoch: number;
  /** The mean cross entropy of the masked tokens. */
  readonly loss: number;
  /** exp(loss): among how many tokens the model is undecided. */
  readonly perplexity: number;
}

type OfClassifier = (typeof OF_CLASSIFIER)[number] | "classCounts";
type PretrainedOptions = Omit<TrainingOptions, OfClassifier | "objective" | "totalSteps">;

/** Options of {@link BertCnn.pretrain}; beside them those of {@link BertCnn.configureTraining} that are not of a head. */
export interface PretrainOptions extends PretrainedOptions {
  /** Passes over the data. Default 3, with `maxSteps` as many as these take. */
  epochs?: number | undefined;
  /** Optimizer steps after which the run ends. */
  maxSteps?: number | undefined;
  /** Texts of a step. Default 32. */
  batchSize?: number | undefined;
  /** Whether each epoch takes the texts in an order of its own, which `seed` decides. Default true. */
  shuffle?: boolean | undefined;
  /** Of the order, and of the tokens that are masked to evaluate. Default 0. */
  seed?: number | undefined;
  /** What is frozen meanwhile, not the whole encoder. Default `"none"`. */
  freeze?: Freeze | undefined;
  /** Texts that are not trained on: masked tokens of these are guessed before the first and after each epoch. */
  evalDataset?: Dataset | undefined;
  /** Called after each optimizer step. */
  onStep?: ((result: StepResult) => unknown) | undefined;
  /** Called after each evaluation. */
  onEvaluate?: ((evaluation: MaskedLanguageEvaluation) => unknown) | undefined;
  /** Whether to show progress on standard error. Default: where that is a terminal. */
  progress?: boolean | undefined;
  /** Ends the run: the promise rejects with the signal's reason. The model is as the last step left it. */
  signal?: AbortSignal | undefined;
}

/** What {@link BertCnn.pretrain} did. */
export interface PretrainResult {
  /** Optimizer steps taken. */
  readonly step: number;
  /** Passes over the data. */
  readonly epoch: number;
  /** The mean loss of the last epoch's batches. */
  readonly loss: number;
  /** Batches that had no token to mask, and so were no steps. */
  readonly skippedBatches: number;
  /** The first is of the model as it was before; empty without `evalDataset`. */
  readonly evaluations: readonly MaskedLanguageEvaluation[];
}

const dataset: Check<Dataset> = (value, name) => {
  if (value instanceof Dataset) return value;
  throw unexpected("Dataset", name, value);
};

function without<T extends object, K extends keyof T>(object: T, names: readonly K[]): Omit<T, K> {
  const kept = Object.entries(object).filter(([name]) => !names.includes(name as K));
  return Object.fromEntries(kept) as Omit<T, K>;
}

const trainingShape = { ...without(trainingShapeWithoutData, OF_CLASSIFIER), maskProbability };

const shape = {
  ...trainingShape,
  epochs: positiveInteger,
  maxSteps: positiveInteger,
  batchSize: positiveInteger,
  shuffle: boolean,
  seed: naturalNumber,
  freeze: readFreeze,
  evalDataset: dataset,
  onStep: callback as Check<(result: StepResult) => unknown>,
  onEvaluate: callback as Check<(evaluation: MaskedLanguageEvaluation) => unknown>,
  progress: boolean,
  signal: abortSignal,
};

type Given = ReturnType<typeof read>;

function read(value: unknown) {
  const given = shaped(value, "options", shape);
  const training: Record<string, unknown> = {};
  for (const name of Object.keys(trainingShape) as (keyof typeof trainingShape)[]) {
    if (given[name] !== undefined) training[name] = given[name];
  }
  const { batchSize = 32, shuffle = true, seed = 0, freeze = "none", maxSteps } = given;
  const epochs = given.epochs ?? (maxSteps === undefined ? 3 : Infinity);
  return {
    ...given,
    ...{ epochs, batchSize, shuffle, seed, freeze },
    progress: given.progress ?? process.stderr.isTTY,
    training: training as PretrainedOptions,
  };
}

/** The mean over all masked tokens of the data. */
async function evaluate(model: BertCnn, data: Dataset, given: Given): Promise<number> {
  let sum = 0;
  let tokens = 0;
  let batchNumber = 0;
  for await (const { texts } of data.batches({ batchSize: given.batchSize })) {
    throwIfAborted(given.signal);
    // Each batch's masks are drawn anew, and the same in each evaluation.
    const found = await maskedLanguageLoss(model, texts, given.seed + batchNumber++);
    sum += found.loss * found.tokens;
    tokens += found.tokens;
  }
  if (tokens === 0) throw empty("evaluate");
  return sum / tokens;
}

function empty(purpose: string): BertCnnError {
  return new BertCnnError(
    "ERR_INVALID_INPUT",
    `Expected at least one text to ${purpose} but the data has none`,
  );
}

class PretrainingRun {
  readonly evaluations: MaskedLanguageEvaluation[] = [];
  readonly #model: BertCnn;
  readonly #data: Dataset;
  readonly #given: Given;
  readonly #rows: number;
  readonly #progress: Progress | undefined;
  #step = 0;
  #seen = 0;
  #losses: number[] = [];
  #skipped = 0;
  #whySkipped: BertCnnError | undefined;

  constructor(model: BertCnn, data: Dataset, given: Given, rows: number) {
    this.#model = model;
    this.#data = data;
    this.#given = given;
    this.#rows = rows;
    const total = Number.isFinite(given.epochs) ? rows * given.epochs : undefined;
    if (given.progress) this.#progress = new Progress("pre-training", total);
  }

  async run(): Promise<PretrainResult> {
    try {
      await this.#evaluate();
      for (let epoch = 0; epoch < this.#given.epochs && !this.#over(); epoch++) {
        this.#losses = [];
        await this.#epoch(epoch);
        await this.#evaluate();
      }
    } finally {
      this.#progress?.end();
    }
    if (this.#step === 0 && this.#whySkipped !== undefined) throw this.#whySkipped;
    const { evaluations } = this;
    const loss = this.#losses.reduce((sum, one) => sum + one, 0) / this.#losses.length;
    const place = { step: this.#step, epoch: this.#seen / this.#rows };
    return { ...place, loss, skippedBatches: this.#skipped, evaluations };
  }

  #over(): boolean {
    return this.#step >= (this.#given.maxSteps ?? Infinity);
  }

  async #epoch(epoch: number): Promise<void> {
    const { batchSize, shuffle, seed, signal, onStep } = this.#given;
    for await (const { texts } of this.#data.batches({ batchSize, shuffle, seed, epoch })) {
      const result = await this.#trainStep(texts, signal);
      this.#seen += texts.length;
      if (result === undefined) continue;
      this.#losses.push(result.loss);
      this.#progress?.advance(texts.length, `loss ${result.loss.toPrecision(3)}`);
      if (!result.updated) continue;
      this.#step = result.step;
      await onStep?.(result);
      if (this.#over()) return;
    }
  }

  /** Nothing where all tokens are special ones, as of a last batch of one empty text. */
  async #trainStep(texts: string[], signal: AbortSignal | undefined) {
    try {
      return await this.#model.trainStep({ texts }, { signal });
    } catch (error) {
      if (!(error instanceof BertCnnError) || error.code !== "ERR_INVALID_INPUT") throw error;
      this.#skipped++;
      this.#whySkipped = error;
      return undefined;
    }
  }

  async #evaluate(): Promise<void> {
    const { evalDataset, onEvaluate } = this.#given;
    if (evalDataset === undefined) return;
    const loss = await evaluate(this.#model, evalDataset, this.#given);
    const place = { step: this.#step, epoch: this.#seen / this.#rows };
    const evaluation = { ...place, loss, perplexity: Math.exp(loss) };
    this.evaluations.push(evaluation);
    await onEvaluate?.(evaluation);
  }
}

/** Pre-trains; see {@link BertCnn.pretrain}. */
export async function pretrain(
  model: BertCnn,
  data: unknown,
  options: unknown,
): Promise<PretrainResult> {
  if (!(data instanceof Dataset)) throw unexpected("Dataset", "data", data);
  const given = read(options);
  throwIfAborted(given.signal);
  const rows = await data.size();
  if (rows === 0) throw empty("pre-train");
  const { training } = given;
  const settings = {
    ...training,
    objective: "masked-language-model",
    totalSteps: countSteps(given, rows),
  } as const;
  // Before anything changes.
  readTrainingOptions(settings, model);
  const { freeze } = model.config.bert_cnn;
  const restore = async () => {
    await endTraining(model);
    await model.setFreeze(freeze);
  };
  await model.setFreeze(given.freeze);
  let result: PretrainResult;
  try {
    model.configureTraining(settings);
    result = await new PretrainingRun(model, data, given, rows).run();
  } catch (error) {
    await restore().catch(() => undefined); // what comes of it must not hide why the run ended
    throw error;
  }
  await restore();
  return result;
}

function countSteps({ epochs, batchSize, maxSteps = Infinity, training }: Given, rows: number) {
  const { gradientAccumulationSteps: accumulation = 1 } = training;
  const batches = Math.ceil(rows / batchSize) * epochs;
  if (batches < accumulation) {
    throw new BertCnnError(
      "ERR_INVALID_INPUT",
      `Expected at least the ${String(accumulation)} batches of an optimizer step but the data has ${String(batches)}`,
    );
  }
  return Math.min(maxSteps, Math.floor(batches / accumulation));
}
