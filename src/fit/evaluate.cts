import { evaluateBatch, type BertCnn } from "../bert-cnn.cjs";
import { throwIfAborted } from "../calls.cjs";
import { abortSignal, boolean, positiveInteger, shaped } from "../check.cjs";
import type { Dataset } from "../data/dataset.cjs";
import { BertCnnError } from "../errors.cjs";
import { computeMetrics, type Metrics } from "../metrics/metrics.cjs";
import { Tensor } from "../tensor.cjs";
import { Progress } from "./progress.cjs";
import { toTargets, type Targets } from "./targets.cjs";

/** Options of {@link BertCnn.evaluate}. */
export interface EvaluateOptions {
  /** Rows that are computed at a time. Default 32. */
  batchSize?: number | undefined;
  /** Whether to show progress on standard error. Default: where that is a terminal. */
  progress?: boolean | undefined;
  /** Ends the evaluation; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** How well a model does on some data. */
export interface Evaluation {
  /** The metrics of the model's problem type. */
  readonly metrics: Metrics;
  /** `[rows, labels]` */
  readonly logits: Tensor<"float32">;
  /** `[rows]` class indices for a single label, else `[rows * labels]` numbers. */
  readonly targets: Int32Array | Float32Array;
}

/** An {@link Evaluation} with its texts. */
export interface EvaluatedTexts extends Evaluation {
  readonly texts: readonly string[];
}

const shape = { batchSize: positiveInteger, progress: boolean, signal: abortSignal };

/** Reads {@link EvaluateOptions} and evaluates. */
export async function evaluate(
  model: BertCnn,
  data: Dataset,
  options: unknown,
): Promise<Evaluation> {
  const { batchSize, signal, progress = process.stderr.isTTY } = shaped(options, "options", shape);
  const shown = progress ? new Progress("evaluation", await data.size()) : undefined;
  const evaluation = await evaluateTexts(model, data, { batchSize, signal, progress: shown });
  const { metrics, logits, targets } = evaluation;
  return { metrics, logits, targets };
}

/**
 * Predicts all rows of `data` and compares. A batch is computed by itself, in turn with training steps, so that the same
 * rows meet in it whatever else the process does, and with the feature cache where that acts.
 */
export async function evaluateTexts(
  model: BertCnn,
  data: Dataset,
  options: {
    batchSize?: number | undefined;
    signal?: AbortSignal | undefined;
    progress?: Progress | undefined;
  },
): Promise<EvaluatedTexts> {
  const { batchSize = 32, signal, progress } = options;
  const texts: string[] = [];
  const logits: number[][] = [];
  const targets: Targets[] = [];
  for await (const batch of data.batches({ batchSize })) {
    throwIfAborted(signal);
    targets.push(toTargets(batch.labels, batch.rows, model));
    const prediction = await evaluateBatch(model, batch.texts);
    logits.push([...prediction.logits.data]);
    texts.push(...batch.texts);
    progress?.advance(batch.texts.length);
  }
  if (texts.length === 0) {
    throw new BertCnnError(
      "ERR_INVALID_INPUT",
      "Expected at least one row to evaluate but the data has none",
    );
  }
  const all = Float32Array.from(logits.flat());
  const { problemType, labels } = model;
  const joined = join(targets);
  const metrics = computeMetrics({ problemType, labels, logits: all, targets: joined });
  return {
    metrics,
    logits: new Tensor("float32", all, [texts.length, labels.length]),
    targets: joined,
    texts,
  };
}

function join(parts: readonly Targets[]): Targets {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = parts[0] instanceof Int32Array ? new Int32Array(size) : new Float32Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
