import { arrayOf, unexpected, type Check } from "../check.cjs";

/** What turns a model's logits into probabilities and labels that can be relied on. */
export interface Calibration {
  /** Divides the logits before softmax or sigmoid; above 0. Default 1, which changes nothing. */
  readonly temperature?: number | undefined;
  /**
   * For several labels: the probability, between 0 and 1, from which on each label is given, in the order of the
   * labels. Default: none.
   */
  readonly thresholds?: readonly number[] | undefined;
}

/** Reads {@link Calibration.temperature}. */
export const readTemperature: Check<number> = (value, name) => {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw unexpected("finite number above 0", name, value);
};

const threshold: Check<number> = (value, name) => {
  if (typeof value === "number" && value > 0 && value < 1) return value;
  throw unexpected("number between 0 and 1", name, value);
};

/** Reads {@link Calibration.thresholds}. */
export const readThresholds: Check<readonly number[]> = arrayOf(threshold, "array of numbers");
