import { types } from "node:util";

import { unexpected } from "./check.cjs";
import { BertCnnError } from "./errors.cjs";

/** Hugging Face's names of what the labels of a model are. */
export type ProblemType =
  "single_label_classification" | "multi_label_classification" | "regression";

/**
 * The targets of a training batch, by the model's problem type:
 *
 * - single label: a class index or a label's name for each row;
 * - multi label: for each row as many numbers from 0 to 1 as the model has labels;
 * - regression: for each row as many finite numbers as the model has labels; with one label the numbers
 *   may stand alone.
 *
 * Typed arrays hold the rows one after another.
 */
export type TrainingLabels =
  | Int32Array
  | Float32Array
  | readonly number[]
  | readonly (readonly number[])[]
  | readonly string[];

/** What of a model decides how its labels are read. */
export interface LabelSpace {
  readonly problemType: ProblemType;
  readonly labels: readonly string[];
}

function wrong(expected: string, name: string, value: unknown): BertCnnError {
  return unexpected(expected, name, value, "ERR_INVALID_LABELS");
}

function asArray(value: unknown, name: string): ArrayLike<unknown> {
  if (Array.isArray(value) || types.isInt32Array(value) || types.isFloat32Array(value)) {
    return value as ArrayLike<unknown>;
  }
  throw unexpected("array, Int32Array or Float32Array", name, value);
}

function classIndex(value: unknown, name: string, labels: readonly string[]): number {
  if (typeof value === "string") {
    const index = labels.indexOf(value);
    if (index < 0) {
      const known = labels.map((label) => JSON.stringify(label)).join(", ");
      throw wrong(`one of the labels ${known}`, name, value);
    }
    return index;
  }
  if (
    typeof value !== "number" ||
    !Number.isInteger(value) ||
    value < 0 ||
    value >= labels.length
  ) {
    throw wrong(`class index from 0 to ${String(labels.length - 1)}`, name, value);
  }
  return value;
}

function readClasses(
  value: ArrayLike<unknown>,
  rows: number,
  name: string,
  labels: readonly string[],
) {
  if (types.isFloat32Array(value)) {
    throw wrong("class indices as array or Int32Array", name, value);
  }
  checkCount(value, rows, rows, name);
  const result = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    result[row] = classIndex(value[row], `${name}[${String(row)}]`, labels);
  }
  return result;
}

function checkCount(value: ArrayLike<unknown>, count: number, rows: number, name: string): void {
  if (value.length === count) return;
  throw new BertCnnError(
    "ERR_INVALID_LABELS",
    `Expected ${String(count)} entries in ${name} for ${String(rows)} rows but received ${String(value.length)}`,
  );
}

type TargetCheck = (value: unknown, name: string) => number;

const probability: TargetCheck = (value, name) => {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw wrong("number from 0 to 1", name, value);
};

const score: TargetCheck = (value, name) => {
  // Rounded first: 1e39 is finite here and infinite for the model.
  if (typeof value === "number" && Number.isFinite(Math.fround(value))) return value;
  throw wrong("number that float32 can hold", name, value);
};

/** Rows given as arrays of their own, `[[0, 1], [1, 1]]`. */
function readRows(value: ArrayLike<unknown>, width: number, name: string, check: TargetCheck) {
  const result = new Float32Array(value.length * width);
  for (let row = 0; row < value.length; row++) {
    const targets = value[row];
    const rowName = `${name}[${String(row)}]`;
    if (!Array.isArray(targets) || targets.length !== width) {
      throw wrong(`array of ${String(width)} numbers`, rowName, targets);
    }
    for (let i = 0; i < width; i++) {
      result[row * width + i] = check(targets[i], `${rowName}[${String(i)}]`);
    }
  }
  return result;
}

function readTargets(
  value: ArrayLike<unknown>,
  rows: number,
  width: number,
  name: string,
  check: TargetCheck,
): Float32Array {
  const flat = ArrayBuffer.isView(value) || (width === 1 && !Array.isArray(value[0]));
  checkCount(value, flat ? rows * width : rows, rows, name);
  if (!flat) return readRows(value, width, name, check);
  const result = new Float32Array(rows * width);
  for (let row = 0, i = 0; row < rows; row++) {
    for (let label = 0; label < width; label++, i++) {
      const where = width === 1 ? "" : ` (row ${String(row)}, label ${String(label)})`;
      result[i] = check(value[i], `${name}[${String(i)}]${where}`);
    }
  }
  return result;
}

/**
 * Reads the labels of `rows` rows: class indices for single-label classification, else `rows * labels`
 * numbers. Throws ERR_INVALID_LABELS naming the row and what would be right.
 */
export function readLabels(
  value: unknown,
  rows: number,
  { problemType, labels }: LabelSpace,
  name: string,
): Int32Array | Float32Array {
  const array = asArray(value, name);
  if (problemType === "single_label_classification") return readClasses(array, rows, name, labels);
  const check = problemType === "regression" ? score : probability;
  return readTargets(array, rows, labels.length, name, check);
}
