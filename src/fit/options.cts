import {
  abortSignal,
  arrayOf,
  boolean,
  naturalNumber,
  nonEmpty,
  nonEmptyString,
  nonNegativeNumber,
  positiveInteger,
  shaped,
  unexpected,
  type Check,
} from "../check.cjs";
import { Dataset } from "../data/dataset.cjs";
import { BertCnnError } from "../errors.cjs";
import { callback, readFreeze, type Freeze } from "../options.cjs";
import { readPath } from "../paths.cjs";
import type { EvaluationRecord, StepRecord } from "../report/run-record.cjs";
import { Tokenizer } from "../tokenizer.cjs";
import { trainingShapeWithoutData, type TrainingOptions } from "../training-options.cjs";
import { readPlateau, type PlateauSettings, type ReduceOnPlateau } from "./plateau.cjs";

/** When to stop before the last epoch. */
export interface EarlyStopping {
  /** Evaluations in a row without a better one, after which the run ends. Default 3. */
  patience?: number | undefined;
  /** By how much a metric must be better to count as better. Default 0. */
  minDelta?: number | undefined;
}

/** What {@link BertCnn.fit} calls on its way. What one of them throws or rejects with ends the run. */
export interface FitCallbacks {
  /** After each optimizer step. */
  onStep?: ((record: StepRecord) => unknown) | undefined;
  /** After each evaluation. */
  onEvaluate?: ((record: EvaluationRecord) => unknown) | undefined;
  /** After each checkpoint, with its path. */
  onCheckpoint?: ((directory: string) => unknown) | undefined;
}

/** `"epoch"`: at the end of each; a number: after so many optimizer steps, again and again. */
export type Interval = "epoch" | number;

/**
 * Options of {@link BertCnn.fit}, named as Hugging Face's `TrainingArguments` are; beside them all options of
 * {@link BertCnn.configureTraining} but for its objective; `totalSteps` and `classCounts` are found by itself.
 */
export interface FitOptions
  extends
    Omit<TrainingOptions, "objective" | "maskProbability" | "totalSteps" | "classCounts">,
    FitCallbacks {
  /** Passes over the data. Default 3, with `maxSteps` as many as these take. */
  epochs?: number | undefined;
  /** Optimizer steps after which the run ends. */
  maxSteps?: number | undefined;
  /** Rows of a step. Default 32. */
  batchSize?: number | undefined;
  /** Tokens that a step may have, in place of `batchSize`; wants `tokenizer`. */
  maxTokens?: number | undefined;
  /** The model's tokenizer, to count tokens. */
  tokenizer?: Tokenizer | undefined;
  /** Whether each epoch takes the rows in an order of its own, which `seed` decides. Default true. */
  shuffle?: boolean | undefined;
  /** Of the order. Default 0. */
  seed?: number | undefined;
  /** What to freeze in each epoch, for gradual unfreezing; the last entry holds for those that follow. */
  freezeByEpoch?: readonly Freeze[] | undefined;
  /** Data that is not trained on, to evaluate with. */
  evalDataset?: Dataset | undefined;
  /** When to evaluate. Default `"epoch"`. */
  evalSteps?: Interval | undefined;
  /** The metric that says which evaluation is best, such as `"loss"` or `"macroF1"`. Default `"loss"`. */
  metricForBestModel?: string | undefined;
  /** Whether the weights of the best evaluation are those that remain. Default: true with `evalDataset`. */
  loadBestModelAtEnd?: boolean | undefined;
  /** Ends the run when it gets no better. Default: never. */
  earlyStopping?: EarlyStopping | undefined;
  /** Lowers the learning rates when `metricForBestModel` gets no better, whatever the schedule. Default: never. */
  reduceOnPlateau?: ReduceOnPlateau | undefined;
  /** Whether to fit the temperature and thresholds of {@link BertCnn.setCalibration} to `evalDataset`. Default false. */
  calibrate?: boolean | undefined;
  /**
   * Where checkpoints, logs and in the end the model are written. Without it nothing is, but for a temporary file
   * with the best weights.
   */
  outputDir?: string | undefined;
  /** When to write a checkpoint; `"no"`: never. Default `"epoch"`. */
  saveSteps?: Interval | "no" | undefined;
  /** Checkpoints that are kept; older ones are removed. Default: all. */
  saveTotalLimit?: number | undefined;
  /** Whether to go on from the newest checkpoint in `outputDir`, where one is, or from which. Default false. */
  resumeFromCheckpoint?: boolean | string | undefined;
  /** Whether to write `report.html` into `outputDir`. Default true. */
  report?: boolean | undefined;
  /** Whether to show progress on standard error. Default: where that is a terminal. */
  progress?: boolean | undefined;
  /**
   * Ends the run: the promise rejects with the signal's reason. With `outputDir` a checkpoint is written first.
   */
  signal?: AbortSignal | undefined;
}

/** {@link FitOptions} that were read, with their defaults; those of training by themselves. */
export interface FitSettings extends FitCallbacks {
  readonly epochs: number;
  readonly maxSteps: number | undefined;
  readonly batchSize: number;
  readonly maxTokens: number | undefined;
  readonly tokenizer: Tokenizer | undefined;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly freezeByEpoch: readonly Freeze[];
  readonly evalDataset: Dataset | undefined;
  readonly evalSteps: Interval;
  readonly metricForBestModel: string;
  readonly loadBestModelAtEnd: boolean;
  readonly earlyStopping: { readonly patience: number; readonly minDelta: number } | undefined;
  readonly reduceOnPlateau: PlateauSettings | undefined;
  readonly calibrate: boolean;
  readonly outputDir: string | undefined;
  readonly saveSteps: Interval | "no";
  readonly saveTotalLimit: number | undefined;
  readonly resumeFromCheckpoint: boolean | string;
  readonly report: boolean;
  readonly progress: boolean;
  readonly signal: AbortSignal | undefined;
  readonly training: Omit<
    TrainingOptions,
    "objective" | "maskProbability" | "totalSteps" | "classCounts"
  >;
}

function instance<T>(kind: new (...args: never) => T): Check<T> {
  return (value, name) => {
    if (value instanceof kind) return value;
    throw unexpected(kind.name, name, value);
  };
}

const interval: Check<Interval> = (value, name) => {
  if (value === "epoch") return value;
  if (typeof value === "number") return positiveInteger(value, name);
  throw unexpected('"epoch" or a number of steps', name, value);
};

const earlyStopping: Check<{ patience: number; minDelta: number }> = (value, name) => {
  const { patience = 3, minDelta = 0 } = shaped(value ?? null, name, {
    patience: positiveInteger,
    minDelta: nonNegativeNumber,
  });
  return { patience, minDelta };
};

const fitShape = {
  epochs: positiveInteger,
  maxSteps: positiveInteger,
  batchSize: positiveInteger,
  maxTokens: positiveInteger,
  // Not Dataset's and Tokenizer's private constructors' business.
  tokenizer: instance(Tokenizer as unknown as new () => Tokenizer),
  shuffle: boolean,
  seed: naturalNumber,
  freezeByEpoch: nonEmpty(arrayOf(readFreeze, "array of what to freeze"), "at least one epoch"),
  evalDataset: instance(Dataset as unknown as new () => Dataset),
  evalSteps: interval,
  metricForBestModel: nonEmptyString,
  loadBestModelAtEnd: boolean,
  earlyStopping,
  reduceOnPlateau: readPlateau,
  calibrate: boolean,
  outputDir: readPath,
  saveSteps: ((value, name) => (value === "no" ? value : interval(value, name))) as Check<
    Interval | "no"
  >,
  saveTotalLimit: positiveInteger,
  resumeFromCheckpoint: ((value, name) =>
    typeof value === "boolean" ? value : readPath(value, name)) as Check<boolean | string>,
  report: boolean,
  progress: boolean,
  signal: abortSignal,
  onStep: callback as Check<(record: StepRecord) => unknown>,
  onEvaluate: callback as Check<(record: EvaluationRecord) => unknown>,
  onCheckpoint: callback as Check<(directory: string) => unknown>,
};

type Given = Partial<Record<keyof typeof fitShape, unknown>>;

/** An option that needs another one which is not there. */
function checkNeeds(given: Given, names: readonly (keyof Given)[], needed: keyof Given): void {
  const name = names.find((candidate) => given[candidate] !== undefined);
  if (name === undefined || given[needed] !== undefined) return;
  throw new BertCnnError(
    "ERR_INVALID_ARGUMENT",
    `Expected options.${needed} with options.${name} but received none`,
  );
}

function checkTogether(given: Given): void {
  checkNeeds(
    given,
    [
      "evalSteps",
      "metricForBestModel",
      "loadBestModelAtEnd",
      "earlyStopping",
      "reduceOnPlateau",
      "calibrate",
    ],
    "evalDataset",
  );
  checkNeeds(given, ["saveSteps", "saveTotalLimit", "resumeFromCheckpoint", "report"], "outputDir");
  checkNeeds(given, ["maxTokens"], "tokenizer");
  checkNeeds(given, ["tokenizer"], "maxTokens");
  if (given.maxTokens !== undefined && given.batchSize !== undefined) {
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      "Expected either options.batchSize or options.maxTokens but received both",
    );
  }
}

/** Reads {@link FitOptions}. What only a model can tell is checked later. */
export function readFitOptions(value: unknown): FitSettings {
  const given = shaped(value, "options", { ...trainingShapeWithoutData, ...fitShape });
  checkTogether(given);
  const training: Record<string, unknown> = {};
  for (const name of Object.keys(
    trainingShapeWithoutData,
  ) as (keyof typeof trainingShapeWithoutData)[]) {
    if (given[name] !== undefined) training[name] = given[name];
  }
  const { evalDataset, outputDir, maxSteps } = given;
  return {
    epochs: given.epochs ?? (maxSteps === undefined ? 3 : Infinity),
    maxSteps,
    batchSize: given.batchSize ?? 32,
    maxTokens: given.maxTokens,
    tokenizer: given.tokenizer,
    shuffle: given.shuffle ?? true,
    seed: given.seed ?? 0,
    freezeByEpoch: given.freezeByEpoch ?? [],
    evalDataset,
    evalSteps: given.evalSteps ?? "epoch",
    metricForBestModel: given.metricForBestModel ?? "loss",
    loadBestModelAtEnd: given.loadBestModelAtEnd ?? evalDataset !== undefined,
    earlyStopping: given.earlyStopping,
    reduceOnPlateau: given.reduceOnPlateau,
    calibrate: given.calibrate ?? false,
    outputDir,
    saveSteps: outputDir === undefined ? "no" : (given.saveSteps ?? "epoch"),
    saveTotalLimit: given.saveTotalLimit,
    resumeFromCheckpoint: given.resumeFromCheckpoint ?? false,
    report: given.report ?? outputDir !== undefined,
    progress: given.progress ?? process.stderr.isTTY,
    signal: given.signal,
    onStep: given.onStep,
    onEvaluate: given.onEvaluate,
    onCheckpoint: given.onCheckpoint,
    training,
  };
}
