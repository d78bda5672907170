import type { NativeStats } from "./native.cjs";

/** What {@link TrainingOptions.featureCache} keeps, as of the last training step. */
export interface FeatureCacheStats {
  /** Rows that are kept. */
  rows: number;
  /** Bytes that they take in memory, their token ids included. */
  memoryBytes: number;
  /** Bytes that they take in the file. */
  fileBytes: number;
  /** Rows that were there when a step or an evaluation wanted them, since training was configured. */
  hits: number;
  /** Rows that the encoder had to compute, likewise. */
  misses: number;
}

/** What this process holds of a CUDA device's memory. */
export interface DeviceMemory {
  /** Bytes of tensors. */
  allocatedBytes: number;
  /** Bytes kept to serve tensors from; {@link BertCnn.emptyCache} gives back what none uses. */
  reservedBytes: number;
  /** The most bytes that tensors have had at once. */
  peakBytes: number;
}

/**
 * Counters of a model's engine since it was loaded, of all its handles together; `queuedRows`, `handles` and
 * `workers` are of now.
 */
export interface EngineStats {
  /** Rows that wait. */
  queuedRows: number;
  /** Open handles: the model itself and what {@link BertCnn.fromShared} made of its token. */
  handles: number;
  /** Threads that predict at once. */
  workers: number;
  /** Rows predicted. */
  rows: number;
  /** Batches computed. */
  batches: number;
  /** Tokens computed. */
  tokens: number;
  /** Training steps taken. */
  steps: number;
  /** Calls that were cancelled. */
  cancelled: number;
  /** Calls that their timeout ended. */
  timedOut: number;
  /** Calls refused since the queue was full. */
  refused: number;
  /** Batches by their rows: element `i` counts those of 2^i to 2^(i+1) - 1 rows. */
  batchRows: number[];
  /** Batches by their tokens, likewise. */
  batchTokens: number[];
  /** All 0 without {@link TrainingOptions.featureCache}. */
  featureCache: FeatureCacheStats;
  /** As of the last batch or step; all 0 on the CPU. */
  memory: DeviceMemory;
  /** Seconds in which threads turned texts into tokens; 0 with `padding: "include"`, where that is computing. */
  tokenizerSeconds: number;
  /** Seconds that rows waited, from the call to the batch that took them, summed over rows. */
  queueSeconds: number;
  /** Seconds in which threads computed batches; several at once add up. */
  computeSeconds: number;
}

/** Options of {@link BertCnn.fromShared}, which each handle has for itself. */
export interface StatsOptions {
  /** Called with {@link BertCnn.stats} again and again until the model is disposed. Does not keep a process alive. */
  onStats?: ((stats: EngineStats) => void) | undefined;
  /** Milliseconds between two calls of `onStats`. Default 10,000. */
  statsInterval?: number | undefined;
}

/** A copy, with arrays of our own realm. */
export function toEngineStats(stats: NativeStats): EngineStats {
  return {
    ...stats,
    batchRows: [...stats.batchRows],
    batchTokens: [...stats.batchTokens],
    featureCache: { ...stats.featureCache },
    memory: { ...stats.memory },
  };
}

/** Who has counters, or nobody any more. */
type Source = () => { stats(): EngineStats } | undefined;

/** Calls `onStats` regularly; returns what ends that. It ends by itself when `source` is gone. */
export function reportStats(
  source: Source,
  { onStats, statsInterval = 10_000 }: StatsOptions,
): () => void {
  if (onStats === undefined) return () => undefined;
  const timer = setInterval(() => {
    const model = source();
    if (model === undefined) clearInterval(timer);
    else report(model.stats(), onStats);
  }, statsInterval);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}

/** What the callback throws is its own affair: it must not end the process, or the reports. */
function report(stats: EngineStats, onStats: (stats: EngineStats) => void): void {
  try {
    onStats(stats);
  } catch (error) {
    process.emitWarning(`onStats threw: ${String(error)}`, "BertCnnWarning");
  }
}
