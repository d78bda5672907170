/**
 * The native addon as TypeScript sees it: plain objects and typed arrays in, promises out. Nothing here is
 * public; the facade checks arguments before they get here and turns what comes back into public types.
 */

export interface NativeTokenBatch {
  rows: number;
  length: number;
  /** `[rows * length]` */
  inputIds: Int32Array;
  attentionMask?: Int32Array;
  tokenTypeIds?: Int32Array;
}

export type NativeInput = readonly string[] | NativeTokenBatch;

/** `workers` threads that predict, with `perWorker` threads each; adaptive: or all of them on one batch. */
export interface NativeThreads {
  workers: number;
  perWorker: number;
  adaptive: boolean;
}

/** `"encoder"`, `"embeddings"` or `"none"`; a number of layers; patterns of names */
export type NativeFreeze = string | number | readonly string[];

export interface NativeLoadOptions {
  directory: string;
  variant?: string;
  problemType?: string;
  labels?: readonly string[];
  numLabels?: number;
  filterSizes?: readonly number[];
  numFilters?: number;
  dropout?: number;
  hiddenDropout?: number;
  attentionDropout?: number;
  activation?: string;
  pooling?: string;
  poolingSize?: number;
  layerNorm?: boolean;
  hiddenLayers?: number;
  layerCombination?: string;
  padding?: string;
  longText?: string;
  windowOverlap?: number;
  freeze?: NativeFreeze;
  maxLength?: number;
  /** below 2^53 */
  seed?: number;
  threads: NativeThreads;
  device?: string;
  dtype?: string;
  tf32?: boolean;
  /** bytes */
  memoryLimit?: number;
  maxBatchTokens?: number;
  maxQueueRows?: number;
  /** milliseconds */
  maxQueueDelay?: number;
  maxPriorityAge?: number;
}

export interface NativeLoadReport {
  missing: string[];
  unexpected: string[];
  initialized: string[];
  packSeconds: number;
}

/** Places of labels. */
export interface NativeTarget {
  label?: number;
  against?: number;
}

export interface NativeNgram {
  /** its first token */
  start: number;
  tokens: number;
  filters: number;
  contribution: number;
  without: number;
}

export interface NativeTextExplanation {
  tokens: string[];
  /** [tokens, 2], UTF-16 units */
  offsets: Int32Array;
  truncated: boolean;
  label: number;
  logits: Float32Array;
  logit: number;
  bias: number;
  ngrams: NativeNgram[];
  tokenBias: number;
  /** [tokens]; empty unless behind ReLU */
  tokenContributions: Float64Array;
  /** [filters], as the next two */
  filterStarts: Int32Array;
  filterValues: Float64Array;
  filterContributions: Float64Array;
}

export interface NativeModelInfo {
  /** JSON text */
  config: string;
  labels: string[];
  problemType: string;
  device: string;
  /** why `"auto"` chose the CPU on a machine where CUDA looks meant */
  reasonForCpu?: string;
  dtype: string;
  maxLength: number;
  parameterCount: number;
  report: NativeLoadReport;
}

export interface NativeCalibration {
  temperature?: number;
  /** one a label */
  thresholds?: readonly number[];
}

export interface NativePrediction {
  rows: number;
  labels: number;
  /** `[rows * labels]` */
  logits: Float32Array;
  /** null for regression */
  probabilities: Float32Array | null;
  truncated: Uint8Array;
  /** the model's when this was computed, where it has one */
  calibration?: NativeCalibration;
}

export interface NativeTrainingOptions {
  learningRate?: number;
  headLearningRate?: number;
  layerDecay?: number;
  weightDecay?: number;
  optimizer?: string;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  momentum?: number;
  nesterov?: boolean;
  schedule?: string;
  totalSteps?: number;
  warmupSteps?: number;
  warmupRatio?: number;
  power?: number;
  /** in the order of the labels, as the two that follow */
  classWeights?: readonly number[];
  /** rows of each class, in place of classWeights: weights that balance them */
  classCounts?: readonly number[];
  posWeight?: readonly number[];
  labelSmoothing?: number;
  focalGamma?: number;
  objective?: string;
  maskProbability?: number;
  maxGradNorm?: number;
  gradientAccumulationSteps?: number;
  dtype?: string;
  gradientCheckpointing?: boolean;
  /** undefined: none */
  featureCache?: NativeFeatureCacheOptions | undefined;
}

export interface NativeFeatureCacheOptions {
  /** bytes; default 1 GiB */
  memory?: number;
  /** "float32", the default, or "bfloat16" */
  dtype?: string;
  /** default: the system's for temporary files */
  directory?: string;
}

export interface NativeParameterGroup {
  name: string;
  /** before the schedule */
  learningRate: number;
  weightDecay: number;
  parameters: string[];
  numel: number;
}

export interface NativeTrainRequest {
  input: NativeInput;
  /** class indices, or `[rows * labels]` floats */
  labels?: Int32Array | Float32Array;
}

export interface NativeStepResult {
  step: number;
  updated: boolean;
  loss: number;
  rows: number;
  labels: number;
  logits: Float32Array;
  learningRates: Float64Array;
  gradNorm: number;
}

export interface NativeTrainingPosition {
  step: number;
  /** accumulated since the last update */
  batches: number;
  /** JSON text: the model's from then on */
  config: string;
}

export interface NativePredictOptions {
  /** higher first; default 0 */
  priority?: number;
}

export interface NativeStats {
  queuedRows: number;
  handles: number;
  workers: number;
  rows: number;
  batches: number;
  tokens: number;
  steps: number;
  cancelled: number;
  timedOut: number;
  refused: number;
  /** element i: batches of 2^i to 2^(i+1) - 1 rows */
  batchRows: number[];
  batchTokens: number[];
  featureCache: NativeFeatureCacheStats;
  memory: NativeDeviceMemory;
  tokenizerSeconds: number;
  queueSeconds: number;
  computeSeconds: number;
}

export interface NativeDeviceMemory {
  allocatedBytes: number;
  reservedBytes: number;
  peakBytes: number;
}

export interface NativeFeatureCacheStats {
  rows: number;
  memoryBytes: number;
  fileBytes: number;
  hits: number;
  misses: number;
}

/** One handle of a loaded model. `id` is chosen by the caller and names the call for `cancel`. */
export interface NativeModel {
  readonly info: NativeModelInfo;
  predict(id: number, input: NativeInput, options: NativePredictOptions): Promise<NativePrediction>;
  /** To be called after the predictions of one turn of the event loop: nothing wakes the engine for them before. */
  flush(): void;
  configureTraining(options: NativeTrainingOptions): Promise<void>;
  /** Rejects with ERR_TRAINING_NOT_CONFIGURED, or with what setting up the optimizer failed with. */
  parameterGroups(): Promise<NativeParameterGroup[]>;
  /** Resolves to the model's `config` from then on. */
  setFreeze(freeze: NativeFreeze): Promise<string>;
  setLearningRateScale(scale: number): Promise<void>;
  /** Resolves to the model's `config` from then on; null takes the calibration away. */
  setCalibration(calibration: NativeCalibration | null): Promise<string>;
  trainStep(id: number, request: NativeTrainRequest): Promise<NativeStepResult>;
  /** Predicts the call as one batch, in turn as a step is, and with the steps' feature cache where there is one. */
  evaluate(input: NativeInput): Promise<NativePrediction>;
  endTraining(): Promise<void>;
  maskedLanguageLoss(
    texts: readonly string[],
    seed: number,
  ): Promise<{ readonly loss: number; readonly tokens: number }>;
  /** Explains each text by itself, unpadded, in turn as a step is. */
  explain(texts: readonly string[], target: NativeTarget): Promise<NativeTextExplanation[]>;
  saveTrainingState(file: string): Promise<void>;
  loadTrainingState(file: string): Promise<NativeTrainingPosition>;
  savePretrained(directory: string): Promise<void>;
  saveEncoder(directory: string): Promise<void>;
  loadStateDict(file: string, strict: boolean): Promise<NativeLoadReport>;
  saveStateDict(file: string): Promise<void>;
  /**
   * True: the call was dropped, its promise rejects with code ERR_CANCELLED. False: too late. It is done, or it
   * is a training step that runs: that one is asked to stop and rejects with ERR_CANCELLED, no weight changed,
   * or resolves. `timedOut` only says how to count it.
   */
  cancel(id: number, timedOut: boolean): boolean;
  stats(): NativeStats;
  /** Every thread predicts made-up batches. */
  warmUp(): Promise<void>;
  emptyCache(): Promise<void>;
  /** A token for `openShared`. */
  share(): string;
  /**
   * Rejects this handle's calls with ERR_DISPOSED. The last handle of a model also joins the threads and frees
   * the memory.
   */
  dispose(): Promise<void>;
}

export interface NativeTokenizerOptions {
  addSpecialTokens?: boolean;
  maxLength?: number;
  /** longest_first, only_first or only_second */
  truncation?: string;
  /** default true; else `offsets` is empty */
  returnOffsets?: boolean;
  /** default true; else `typeIds` is empty */
  returnTokenTypeIds?: boolean;
}

export interface NativeBatchOptions extends NativeTokenizerOptions {
  /** tokens to which shorter texts are filled up; default 0 */
  padLength?: number;
  /** default false */
  padToLongest?: boolean;
}

/**
 * Encodings one after another, each as int32s: tokens, type ids, int32s of offsets (how many of each), 1 for truncated;
 * then the ids, the attention mask, the type ids, the offsets (start and end in UTF-16 units of the text, or of the
 * pair's own text), the special tokens mask in bytes, filled up to a whole int32.
 */
export type NativeEncodings = ArrayBuffer;

export interface NativeTokenizer {
  readonly vocabSize: number;
  readonly modelMaxLength: number | null;
  encode(text: string, pair: string | null, options?: NativeTokenizerOptions): NativeEncodings;
  encodeBatch(
    texts: readonly string[],
    pairs: readonly string[] | null,
    options: NativeBatchOptions,
  ): Promise<NativeEncodings[]>;
  decode(ids: Int32Array, skipSpecialTokens: boolean): string;
  tokenToId(token: string): number | null;
  idToToken(id: number): string | null;
}

/** Errors thrown or rejected with carry `code`, an `ERR_...` string. */
export interface NativeModule {
  /** Full version of the libtorch that is loaded. */
  readonly libtorchVersion: string;
  /** The minor version, `"2.13"`, that the addon was built with. */
  readonly builtWithLibtorch: string;
  /** `cancel` stops loading, and `model` then rejects with ERR_DISPOSED; once it is loaded it disposes it. */
  loadModel(options: NativeLoadOptions): { model: Promise<NativeModel>; cancel: () => void };
  /** Another handle of a model of this process; throws ERR_INVALID_ARGUMENT where the token has none. */
  openShared(token: string): NativeModel;
  loadTokenizer(directory: string): Promise<NativeTokenizer>;
}
