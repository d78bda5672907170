import { types } from "node:util";

import { nonEmpty, oneOf, shaped, strings, unexpected, type Check } from "../check.cjs";
import { BertCnnError } from "../errors.cjs";
import { readLabels, type ProblemType } from "../labels.cjs";
import { calibrationShape, checkCalibration } from "./calibration-values.cjs";

/** What a model said, and what would have been right. */
export interface MetricInput {
  /** What the labels are. */
  readonly problemType: ProblemType;
  /** The labels' names, in the order of the logits. */
  readonly labels: readonly string[];
  /** `[rows, labels]`, before any temperature. */
  readonly logits: Float32Array;
  /** As {@link TrainBatch.labels}: a class a row for a single label, else `[rows, labels]` numbers. */
  readonly targets: Int32Array | Float32Array;
  /** Divides the logits; see {@link Calibration}. Not for regression. Default 1. */
  readonly temperature?: number | undefined;
  /** For several labels: the probability from which on each is given; see {@link Calibration}. Default 0.5. */
  readonly thresholds?: readonly number[] | undefined;
}

/** A {@link MetricInput} that was checked. */
export interface CheckedInput {
  readonly problemType: ProblemType;
  readonly labels: readonly string[];
  readonly rows: number;
  /** `[rows, labels]`, divided by the temperature. */
  readonly logits: Float64Array;
  /** `[rows]` for a single label, else `[rows, labels]`. */
  readonly targets: Int32Array | Float32Array;
  /** One a label. */
  readonly thresholds: readonly number[];
}

const finiteFloats: Check<Float32Array> = (value, name) => {
  if (!types.isFloat32Array(value)) throw unexpected("Float32Array", name, value);
  const wrong = value.findIndex((number) => !Number.isFinite(number));
  if (wrong >= 0) throw unexpected("finite number", `${name}[${String(wrong)}]`, value[wrong]);
  return value;
};

const shape = {
  problemType: oneOf("single_label_classification", "multi_label_classification", "regression"),
  labels: nonEmpty(strings, "at least one label"),
  logits: finiteFloats,
  targets: (value: unknown) => value,
  ...calibrationShape,
};

function countRows(logits: Float32Array, width: number): number {
  const rows = logits.length / width;
  if (Number.isInteger(rows) && rows > 0) return rows;
  throw new BertCnnError(
    "ERR_INVALID_ARGUMENT",
    `Expected ${String(width)} logits for each of one or more rows in input.logits ` +
      `but received ${String(logits.length)}`,
  );
}

/** Throws ERR_INVALID_ARGUMENT, or ERR_INVALID_LABELS for targets that do not fit. */
export function readMetricInput(value: unknown): CheckedInput {
  const given = shaped(value, "input", shape);
  // What must be there goes through its own check once more, which refuses undefined.
  const problemType = shape.problemType(given.problemType, "input.problemType");
  const labels = shape.labels(given.labels, "input.labels");
  const floats = finiteFloats(given.logits, "input.logits");
  const { temperature, thresholds } = given;
  checkCalibration({ temperature, thresholds }, { problemType, labels }, "input");
  const rows = countRows(floats, labels.length);
  const targets = readLabels(given.targets, rows, { problemType, labels }, "input.targets");
  return {
    problemType,
    labels,
    rows,
    logits: Float64Array.from(floats, (logit) => logit / (temperature ?? 1)),
    targets,
    thresholds: thresholds ?? labels.map(() => 0.5),
  };
}
