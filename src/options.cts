import {
  abortSignal,
  arrayOf,
  boolean,
  fraction,
  milliseconds,
  integer,
  integerUpTo,
  naturalNumber,
  nonEmpty,
  nonEmptyString,
  nonNegativeMilliseconds,
  nullable,
  oneOf,
  positiveInteger,
  string,
  unexpected,
  type Check,
} from "./check.cjs";
import { BertCnnError } from "./errors.cjs";
import type { ProblemType } from "./labels.cjs";
import type { ScoreFunction } from "./scores.cjs";
import type { EngineStats, StatsOptions } from "./stats.cjs";
import { threads, type Threads } from "./threads.cjs";

/**
 * Which of the three models: `"frozen"` trains the head only (kernel sizes 3, 4, 5), `"fine-tune"` trains
 * BERT too (one kernel size, 3), `"max-over-time"` trains BERT too (kernel sizes 3, 4, 5).
 */
export type Variant = "frozen" | "fine-tune" | "max-over-time";

/**
 * What pad positions do. `"ignore"`: they take no part, and a row's logits do not depend on its batch
 * mates. `"include"`: the arithmetic of the PyTorch prototype, which convolves over padding; each call is
 * one batch.
 */
export type Padding = "ignore" | "include";

/**
 * What becomes of a text of more than `maxLength` tokens. `"truncate"`: the rest of it is ignored. `"window"`: the
 * encoder reads it in windows of `maxLength` tokens that overlap; of each token the state is taken from the window where
 * it has most context, and the head sees all of them as one text. No weight is added, and a text that fits `maxLength`
 * gets the logits that it gets with `"truncate"`.
 */
export type LongText = "truncate" | "window";

/**
 * What is not trained: `"encoder"` is all of BERT; `"embeddings"` its embeddings; a number n the embeddings and the
 * n lowest layers of the encoder, from 0 to all; `"none"` nothing. An array holds patterns of names in the
 * state dict, where `*` stands for any characters: `["bert.embeddings.*", "*.bias"]`. Each must fit a name, and
 * something must be left to train. BERT's pooler, which takes no part, is never trained.
 *
 * A frozen encoder, or a lower part of it that is frozen whole (the embeddings, then layer after layer), runs in
 * evaluation mode: without BERT's dropout, and as fast as a prediction.
 */
export type Freeze = "encoder" | "embeddings" | "none" | number | readonly string[];

/**
 * What follows a convolution. `"glu"`: each filter's value times the sigmoid of a gate, which is a filter of its own
 * (Dauphin et al., 2017); the convolutions then have twice the filters, the gates behind.
 */
export type ConvolutionActivation = "relu" | "gelu" | "tanh" | "glu";

/**
 * How each filter's values over the text become numbers: the largest (Kim, 2014); the mean; both, the largest first
 * for each kernel size; the k largest in the order of the text (Kalchbrenner et al., 2014), zeros behind where the text
 * has fewer; or a sum weighted by a softmax over the text, whose scores are a learned linear function of all filters of
 * the kernel size. Pad positions take part in none, unless `padding` is `"include"`.
 */
export type Pooling = "max" | "mean" | "max-mean" | "k-max" | "attention";

/** What becomes of several layers' hidden states: their mean, all side by side, or a mean with learned weights. */
export type LayerCombination = "mean" | "concat" | "mix";

/** What a model multiplies in; see {@link BertCnnOptions.dtype}. */
export type Dtype = "float32" | "bfloat16" | "float16" | "int8" | "auto";

/** Where a model computes. `"auto"` is the first CUDA device, else the CPU. */
export type Device = "auto" | "cpu" | "cuda" | `cuda:${number}`;

/** What {@link HubOptions.progress} is told. */
export interface DownloadProgress {
  /** The name of the file, such as `model.safetensors`. */
  readonly file: string;
  /** Bytes of it that are there, those of an earlier attempt included. */
  readonly loaded: number;
  /** All its bytes; `null` where the server does not say. */
  readonly total: number | null;
}

/** Options of loading a model that is named by its id on the Hugging Face hub; a directory needs none. */
export interface HubOptions {
  /** A branch, a tag or a commit. Default `"main"`. */
  revision?: string | undefined;
  /** Called while files are fetched; never where all are in the cache. What it throws ends loading. */
  progress?: ((progress: DownloadProgress) => void) | undefined;
  /** Stops loading; the promise rejects with the signal's reason. What was fetched is kept for the next time. */
  signal?: AbortSignal | undefined;
}

/**
 * Options of {@link BertCnn.fromPretrained}. What describes the model (variant to freeze) comes
 * from the directory where it was written by {@link BertCnn.savePretrained}, else from the defaults named here.
 */
export interface BertCnnOptions extends HubOptions, StatsOptions {
  /** Default `"frozen"`. */
  variant?: Variant | undefined;
  /** The labels' names, in the order of the logits. Default `LABEL_0`, `LABEL_1`, ... */
  labels?: readonly string[] | undefined;
  /** The number of labels, where names do not matter. Default that of `config.json`, else 2, for regression 1. */
  numLabels?: number | undefined;
  /** Default that of `config.json`, else `"regression"` for one label and `"single_label_classification"`. */
  problemType?: ProblemType | undefined;
  /** Kernel sizes of the convolutions, in tokens. Default by variant. */
  filterSizes?: readonly number[] | undefined;
  /** Filters of each kernel size. Default 100. */
  numFilters?: number | undefined;
  /** Dropout probability of the head while training. Default 0.5. */
  dropout?: number | undefined;
  /** Dropout probability of BERT's hidden states while training. Default that of `config.json`. */
  hiddenDropout?: number | undefined;
  /** Dropout probability of BERT's attention while training. Default that of `config.json`. */
  attentionDropout?: number | undefined;
  /** What follows the convolutions. Default `"relu"`. */
  activation?: ConvolutionActivation | undefined;
  /** Default `"max"`. */
  pooling?: Pooling | undefined;
  /** Numbers that `pooling: "k-max"` keeps of each filter, from 1 to 64. Default 3. */
  poolingSize?: number | undefined;
  /** Whether a layer norm stands before the classifier. Default false. */
  layerNorm?: boolean | undefined;
  /** Layers of the encoder, from the last one, whose hidden states the convolutions see. Default 1. */
  hiddenLayers?: number | undefined;
  /** What becomes of several layers' hidden states. Default `"mean"`. */
  layerCombination?: LayerCombination | undefined;
  /** Default `"ignore"`. */
  padding?: Padding | undefined;
  /** Not `"window"` with `padding: "include"`. Default `"truncate"`. */
  longText?: LongText | undefined;
  /**
   * Tokens that neighbouring windows of a text have in common at least, with `longText: "window"`; from 0 to
   * `maxLength` - 3. Default a quarter of a window, which has two tokens less than `maxLength`.
   */
  windowOverlap?: number | undefined;
  /** Default by variant: `"encoder"` for `"frozen"`, else `"none"`. */
  freeze?: Freeze | undefined;
  /** Default `"auto"`. */
  device?: Device | undefined;
  /**
   * The precision of the matrix products on the CPU; all else is float32. `"bfloat16"` wants a processor that
   * multiplies it (AVX-512 BF16), and is refused with `ERR_DTYPE_UNAVAILABLE` on others. `"int8"` (weights by channel,
   * activations by token) predicts only. `"auto"` is bfloat16 where the processor has it, else float32; `model.dtype`
   * tells which. On CUDA `"float16"`, which predicts only, takes int8's place, what lies between the products has their
   * precision, and `"auto"` is bfloat16. Saving writes the weights in full precision whatever the `dtype`. Default `"float32"`.
   */
  dtype?: Dtype | undefined;
  /**
   * Whether float32 products on CUDA devices may round their factors to TF32's 10 bits, which is faster; for all
   * models of this process, the last one loaded decides. Default false.
   */
  tf32?: boolean | undefined;
  /**
   * Bytes that all models of this process may take of a CUDA device's memory together; the last model loaded decides.
   * Default: all of it. No meaning on the CPU.
   */
  memoryLimit?: number | undefined;
  /**
   * Tokens of a text, special tokens included, beyond which it is truncated or read in windows. Default: with windows
   * those of the saved model, else the smaller of the tokenizer's `model_max_length` and the model's
   * `max_position_embeddings`.
   */
  maxLength?: number | undefined;
  /** Of new weights and of dropout; from 0 to 2^53 - 1. Default: drawn by the system. */
  seed?: number | undefined;
  /**
   * Threads on the CPU: a number for each operation, several workers, or `"auto"`, the default. On CUDA a model
   * always has one.
   */
  threads?: Threads | undefined;
  /** Tokens that one batch may hold; a longer text is a batch of its own. Default 1024, on CUDA 16,384. */
  maxBatchTokens?: number | undefined;
  /** Rows that may wait; a call that would exceed it is refused with `ERR_QUEUE_FULL`. Default: any number. */
  maxQueueRows?: number | undefined;
  /**
   * Milliseconds that a batch with room for more rows waits for them, from the arrival of its oldest row; no
   * timer runs where it is full at once. Not with `padding: "include"`. Default 0: computing begins at once.
   */
  maxQueueDelay?: number | undefined;
  /**
   * Milliseconds after which waiting rows get every second batch, however many of a higher priority wait too.
   * Default 1000.
   */
  maxPriorityAge?: number | undefined;
}

/** Options of {@link BertCnn.predict}. */
export interface PredictOptions {
  /** Drops the call; its promise rejects with the signal's reason at once. */
  signal?: AbortSignal | undefined;
  /** Milliseconds after which the call is dropped with `ERR_TIMEOUT`. Default: none. */
  timeout?: number | undefined;
  /** An integer; calls of a higher priority are computed first. Default 0. */
  priority?: number | undefined;
}

/** Options of {@link BertCnn.classify}. */
export interface ClassifyOptions extends PredictOptions {
  /**
   * How many labels to give for each text, best first; `null` for all. Default 1, for regression all; of a model with
   * thresholds ({@link Calibration}) those that reach theirs, which may be none.
   */
  topK?: number | null | undefined;
  /** What turns logits into scores. Default by problem type: softmax, sigmoid, and none for regression. */
  functionToApply?: ScoreFunction | undefined;
}

/** Options of {@link BertCnn.trainStep}. */
export interface StepOptions {
  /**
   * Drops the step; its promise rejects with the signal's reason and the model is as before. A step that
   * was already taken when the signal came resolves as usual.
   */
  signal?: AbortSignal | undefined;
}

/** Options of {@link BertCnn.loadStateDict}. */
export interface LoadStateDictOptions {
  /** Whether a missing name, but for BERT's pooler, or an unexpected one is an error. Default true. */
  strict?: boolean | undefined;
}

const device: Check<Device> = (value, name) => {
  if (typeof value === "string" && /^(auto|cpu|cuda|cuda:\d+)$/.test(value)) return value as Device;
  throw unexpected('"auto", "cpu", "cuda" or "cuda:N"', name, value);
};

const freezeForms = '"encoder", "embeddings", "none", a number of layers or an array of patterns';
const freezePatterns = nonEmpty(arrayOf(string, freezeForms), "at least one pattern");

/** Reads a {@link Freeze}; how many layers and which names there are only the model knows. */
export const readFreeze: Check<Freeze> = (value, name) => {
  if (value === "encoder" || value === "embeddings" || value === "none") return value;
  if (Array.isArray(value)) return freezePatterns(value, name);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw unexpected(freezeForms, name, value);
};

const labels: Check<readonly string[]> = (value, name) => {
  const names = nonEmpty(arrayOf(nonEmptyString, "array of strings"), "at least one label")(
    value,
    name,
  );
  const seen = new Set<string>();
  const twice = names.find((label) => seen.size === seen.add(label).size);
  if (twice !== undefined) {
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected different labels in ${name} but it holds ${JSON.stringify(twice)} twice`,
    );
  }
  return names;
};

/** Its parts become parts of paths and of addresses. */
const revision: Check<string> = (value, name) => {
  const parts = typeof value === "string" && value.length <= 250 ? value.split("/") : [""];
  if (parts.every((part) => /^[\w+@~-][\w.+@~-]*$/.test(part))) return value as string;
  throw unexpected("branch, tag or commit", name, value);
};

/** What a function takes cannot be checked: its option's type says it. */
export const callback: Check<(argument: never) => void> = (value, name) => {
  if (typeof value === "function") return value as (argument: never) => void;
  throw unexpected("function", name, value);
};

/** For {@link shaped}: the names and checks of {@link HubOptions}. */
export const hubShape = {
  revision,
  progress: callback as Check<(progress: DownloadProgress) => void>,
  signal: abortSignal,
};

/** For {@link shaped}: the names and checks of {@link StatsOptions}. */
export const statsShape = {
  onStats: callback as Check<(stats: EngineStats) => void>,
  statsInterval: milliseconds,
};

/** For {@link shaped}: the names and checks of {@link BertCnnOptions}. */
export const loadShape = {
  ...hubShape,
  ...statsShape,
  variant: oneOf("frozen", "fine-tune", "max-over-time"),
  labels,
  numLabels: integerUpTo(1e6),
  problemType: oneOf("single_label_classification", "multi_label_classification", "regression"),
  filterSizes: nonEmpty(
    arrayOf(positiveInteger, "array of positive integers"),
    "at least one kernel size",
  ),
  numFilters: positiveInteger,
  dropout: fraction,
  hiddenDropout: fraction,
  attentionDropout: fraction,
  activation: oneOf("relu", "gelu", "tanh", "glu"),
  pooling: oneOf("max", "mean", "max-mean", "k-max", "attention"),
  poolingSize: integerUpTo(64),
  layerNorm: boolean,
  hiddenLayers: positiveInteger,
  layerCombination: oneOf("mean", "concat", "mix"),
  padding: oneOf("ignore", "include"),
  longText: oneOf("truncate", "window"),
  windowOverlap: naturalNumber,
  freeze: readFreeze,
  device,
  dtype: oneOf("float32", "bfloat16", "float16", "int8", "auto"),
  tf32: boolean,
  memoryLimit: positiveInteger,
  maxLength: positiveInteger,
  seed: naturalNumber,
  threads,
  maxBatchTokens: positiveInteger,
  maxQueueRows: positiveInteger,
  maxQueueDelay: nonNegativeMilliseconds,
  maxPriorityAge: nonNegativeMilliseconds,
};

/** For {@link shaped}: the names and checks of {@link PredictOptions}. */
export const predictShape = { signal: abortSignal, timeout: milliseconds, priority: integer };

/** For {@link shaped}: the names and checks of {@link ClassifyOptions}. */
export const classifyShape = {
  ...predictShape,
  topK: nullable(positiveInteger),
  functionToApply: oneOf("softmax", "sigmoid", "none"),
};

/** For {@link shaped}: the names and checks of {@link StepOptions}. */
export const stepShape = { signal: abortSignal };

/** For {@link shaped}: the names and checks of {@link LoadStateDictOptions}. */
export const loadStateDictShape = { strict: boolean };
