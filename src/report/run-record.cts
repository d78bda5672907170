import type { ProblemType } from "../labels.cjs";
import type { Metrics } from "../metrics/metrics.cjs";

/** What one optimizer step gave. */
export interface StepRecord {
  /** Optimizer steps taken, this one among them: the first is 1. */
  readonly step: number;
  /** Passes over the training data, with its fraction. */
  readonly epoch: number;
  /** Mean loss of the step's rows, before the step. */
  readonly loss: number;
  /** One for each of {@link RunRecord.groups}. */
  readonly learningRates: readonly number[];
  /** Global norm of the gradients, before clipping. */
  readonly gradNorm: number;
  /** Since the run began. */
  readonly seconds: number;
}

/** What one evaluation gave. */
export interface EvaluationRecord {
  /** Optimizer steps taken before it. */
  readonly step: number;
  /** Passes over the training data, with its fraction. */
  readonly epoch: number;
  /** By name, `loss` among them. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Since the run began. */
  readonly seconds: number;
}

/** The rows of an evaluation and what the model said of them. */
export interface RunEvaluation {
  /** What the model's labels are. */
  readonly problemType: ProblemType;
  /** The model's labels. */
  readonly labels: readonly string[];
  /** The rows' texts. */
  readonly texts: readonly string[];
  /** `[rows, labels]`. */
  readonly logits: Float32Array;
  /** Class indices `[rows]` for single-label classification, else `[rows, labels]`. */
  readonly targets: Int32Array | Float32Array;
  /** Divides the logits before softmax or sigmoid. Default 1. */
  readonly temperature?: number | undefined;
  /** For several labels: the probability from which on each is given. Default 0.5. */
  readonly thresholds?: readonly number[] | undefined;
  /** Computed from them. */
  readonly metrics: Metrics;
}

/** The evaluation whose weights were kept. */
export interface BestRecord {
  /** Optimizer steps taken before it. */
  readonly step: number;
  /** The metric that chose it. */
  readonly metric: string;
  /** That metric's value. */
  readonly value: number;
}

/** A training run, as {@link writeReport} shows it. */
export interface RunRecord {
  /** Heads the page. */
  readonly name: string;
  /** Names of the parameter groups, in the order of the steps' `learningRates`. */
  readonly groups: readonly string[];
  /** In their order. */
  readonly steps: readonly StepRecord[];
  /** In their order. */
  readonly evaluations: readonly EvaluationRecord[];
  /** `null` where none was chosen. */
  readonly best: BestRecord | null;
  /** The run's options, as JSON has them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The model's `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Of the library, libtorch, Node.js. */
  readonly versions: Readonly<Record<string, string>>;
  /** Such as rows trained on, evaluated, skipped. */
  readonly data: Readonly<Record<string, string | number>>;
  /** How the run ended. */
  readonly stopped: "completed" | "early stopping" | "aborted" | "max steps";
  /** The last evaluation, of the weights that were kept. */
  readonly evaluation: RunEvaluation | null;
}
