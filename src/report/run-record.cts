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
