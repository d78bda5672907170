import { arrayOf, shaped, unexpected, type Check, type Shaped } from "../check.cjs";
import type { LabelSpace } from "../labels.cjs";

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

const temperature: Check<number> = (value, name) => {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw unexpected("finite number above 0", name, value);
};

const threshold: Check<number> = (value, name) => {
  if (typeof value === "number" && value > 0 && value < 1) return value;
  throw unexpected("number between 0 and 1", name, value);
};

/** For {@link shaped}: the names and checks of {@link Calibration}. */
export const calibrationShape = { temperature, thresholds: arrayOf(threshold, "array of numbers") };

/** Whether what was read fits the labels. */
export function checkCalibration(
  { temperature, thresholds }: Calibration,
  { problemType, labels }: LabelSpace,
  name: string,
): void {
  if (temperature !== undefined && problemType === "regression") {
    throw unexpected("nothing, since a regression has none,", `${name}.temperature`, temperature);
  }
  if (thresholds === undefined) return;
  if (problemType !== "multi_label_classification") {
    throw unexpected("nothing but for several labels", `${name}.thresholds`, thresholds);
  }
  if (thresholds.length !== labels.length) {
    throw unexpected(`array of ${String(labels.length)} numbers`, `${name}.thresholds`, thresholds);
  }
}

/** Reads what {@link BertCnn.setCalibration} takes. */
export function readCalibration(
  value: unknown,
  name: string,
  space: LabelSpace,
): Shaped<typeof calibrationShape> | null {
  if (value === null) return null;
  if (value === undefined) throw unexpected("object or null", name, value);
  const calibration = shaped(value, name, calibrationShape);
  checkCalibration(calibration, space, name);
  return calibration;
}
