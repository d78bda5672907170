import type {
  NativeLoadOptions,
  NativeModel,
  NativeModelInfo,
  NativeModule,
  NativeParameterGroup,
  NativePrediction,
  NativeStats,
  NativeStepResult,
  NativeTextExplanation,
  NativeTokenizer,
} from "../../../src/native.cjs";

/** A promise with its handles. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** An error as the addon makes it: a plain Error with a code. */
export function nativeError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** One call that reached the addon; settle it through `result`. */
export interface FakeCall {
  method: string;
  args: readonly unknown[];
  result: Deferred<unknown>;
}

const stats: NativeStats = {
  queuedRows: 0,
  handles: 1,
  workers: 1,
  rows: 7,
  batches: 2,
  tokens: 40,
  steps: 1,
  cancelled: 0,
  timedOut: 0,
  refused: 0,
  batchRows: [0, 1, 1],
  batchTokens: [0, 0, 0, 0, 2],
  featureCache: { rows: 0, memoryBytes: 0, fileBytes: 0, hits: 0, misses: 0 },
  memory: { allocatedBytes: 0, reservedBytes: 0, peakBytes: 0 },
  tokenizerSeconds: 0.25,
  queueSeconds: 1.5,
  computeSeconds: 0.5,
};

const modelInfo: NativeModelInfo = {
  config: JSON.stringify({ hidden_size: 16, bert_cnn: { variant: "frozen" } }),
  labels: ["bad", "fair", "good"],
  problemType: "single_label_classification",
  device: "cpu",
  dtype: "float32",
  maxLength: 40,
  parameterCount: 1234,
  report: { missing: [], unexpected: [], initialized: ["fc.weight"], packSeconds: 0.25 },
};

/**
 * Stands in for the addon: it records each call and computes nothing. Tests settle the calls, which shows
 * what the facade does on its own.
 */
export class FakeNative implements NativeModule {
  readonly libtorchVersion = "2.13.0";
  readonly builtWithLibtorch = "2.13";
  readonly calls: FakeCall[] = [];
  /** The ids given to `cancel`, without those of calls that timed out. */
  readonly cancelled: number[] = [];
  readonly timedOut: number[] = [];
  /** How often the engine was woken. */
  flushes = 0;
  /** The options given to `loadModel`. */
  loadOptions: NativeLoadOptions | undefined;
  /** What `loadModel` gives instead of a model at once. */
  loading: Promise<NativeModel> | undefined;
  /** How often loading was cancelled. */
  loadsCancelled = 0;
  info: NativeModelInfo = { ...modelInfo };
  tokenizer: Partial<NativeTokenizer> = {};

  /** The last call of a method. */
  last(method: string): FakeCall {
    const call = this.calls.findLast((candidate) => candidate.method === method);
    if (call === undefined) throw new Error(`${method} was not called`);
    return call;
  }

  /** How often a method was called. */
  count(method: string): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  loadModel(options: NativeLoadOptions) {
    this.loadOptions = options;
    const cancel = () => {
      this.loadsCancelled++;
    };
    return { model: this.loading ?? Promise.resolve(this.model()), cancel };
  }

  openShared(token: string): NativeModel {
    this.calls.push({ method: "openShared", args: [token], result: deferred() });
    return this.model();
  }

  loadTokenizer(): Promise<NativeTokenizer> {
    return Promise.resolve({
      vocabSize: 97,
      modelMaxLength: null,
      ...this.tokenizer,
    } as NativeTokenizer);
  }

  model(): NativeModel {
    return {
      info: this.info,
      predict: (...args) => this.#record<NativePrediction>("predict", args),
      flush: () => {
        this.flushes++;
      },
      configureTraining: (...args) => this.#record<undefined>("configureTraining", args),
      parameterGroups: () => this.#record<NativeParameterGroup[]>("parameterGroups", []),
      setFreeze: (...args) => this.#record<string>("setFreeze", args),
      setLearningRateScale: (...args) => this.#record<undefined>("setLearningRateScale", args),
      setCalibration: (...args) => this.#record<string>("setCalibration", args),
      trainStep: (...args) => this.#record<NativeStepResult>("trainStep", args),
      endTraining: () => this.#record<undefined>("endTraining", []),
      maskedLanguageLoss: (...args) =>
        this.#record<{ loss: number; tokens: number }>("maskedLanguageLoss", args),
      evaluate: (...args) => this.#record<NativePrediction>("evaluate", args),
      explain: (...args) => this.#record<NativeTextExplanation[]>("explain", args),
      saveTrainingState: (...args) => this.#record<undefined>("saveTrainingState", args),
      loadTrainingState: (...args) => this.#record("loadTrainingState", args),
      savePretrained: (...args) => this.#record<undefined>("savePretrained", args),
      saveEncoder: (...args) => this.#record<undefined>("saveEncoder", args),
      loadStateDict: (...args) => this.#record("loadStateDict", args),
      saveStateDict: (...args) => this.#record<undefined>("saveStateDict", args),
      dispose: () => this.#record<undefined>("dispose", []),
      warmUp: () => this.#record<undefined>("warmUp", []),
      emptyCache: () => this.#record<undefined>("emptyCache", []),
      share: () => "bertcnn-42",
      cancel: (id, timedOut) => {
        (timedOut ? this.timedOut : this.cancelled).push(id);
        return true;
      },
      stats: () => stats,
    };
  }

  #record<T>(method: string, args: readonly unknown[]): Promise<T> {
    const result = deferred<T>();
    this.calls.push({ method, args, result: result as Deferred<unknown> });
    return result.promise;
  }
}

/** A prediction of `rows` rows over the fake's three labels. */
export function prediction(rows: number): NativePrediction {
  const values = Float32Array.from({ length: rows * 3 }, (_, i) => i / 10);
  return {
    rows,
    labels: 3,
    logits: values,
    probabilities: values.map((value) => value / 10),
    truncated: new Uint8Array(rows),
  };
}

/** What a training step gives. */
export function stepResult(step: number): NativeStepResult {
  return {
    step,
    updated: true,
    loss: 0.5,
    rows: 1,
    labels: 3,
    logits: Float32Array.of(1, 2, 3),
    learningRates: Float64Array.of(5e-5, 1e-3),
    gradNorm: 2,
  };
}
