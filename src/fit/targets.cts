import { unexpected } from "../check.cjs";
import type { Label } from "../data/example.cjs";
import type { LabelSpace } from "../labels.cjs";

/** The targets of some rows: class indices, else `rows * labels` numbers. */
export type Targets = Int32Array | Float32Array;

type Wrong = (expected: string, value: unknown) => Error;

/** A label's place: by its name, or where no label is called so by its index. */
function classIndex(label: unknown, labels: readonly string[], wrong: Wrong): number {
  if (typeof label === "string" || typeof label === "number") {
    const named = labels.indexOf(String(label));
    if (named >= 0) return named;
    const index = label === "" ? NaN : Number(label);
    if (Number.isInteger(index) && index >= 0 && index < labels.length) return index;
  }
  const known = labels.map((name) => JSON.stringify(name)).join(", ");
  throw wrong(`one of the labels ${known} or an index of them`, label);
}

function asArray(label: Label): readonly (string | number)[] {
  return typeof label === "string" || typeof label === "number" ? [label] : label;
}

/** One target for each label: from the names of those that hold, or from numbers. */
function multiLabelRow(label: Label, labels: readonly string[], wrong: Wrong): number[] {
  const given = asArray(label);
  if (given.length > 0 && given.every((value) => typeof value === "number")) {
    return numbersRow(
      given,
      labels.length,
      (value) => value >= 0 && value <= 1,
      "from 0 to 1",
      wrong,
    );
  }
  const row = new Array<number>(labels.length).fill(0);
  for (const name of given) {
    const index = labels.indexOf(String(name));
    if (index < 0) throw wrong(`names among ${JSON.stringify(labels)}`, name);
    row[index] = 1;
  }
  return row;
}

function scoresRow(label: Label, count: number, wrong: Wrong): number[] {
  const numbers = asArray(label).map((value) =>
    typeof value === "string" && value.trim() !== "" ? Number(value) : value,
  );
  // Rounded first: 1e39 is finite here and infinite for the model.
  const finite = (value: number) => Number.isFinite(Math.fround(value));
  return numbersRow(numbers, count, finite, "that float32 can hold", wrong);
}

function numbersRow(
  values: readonly unknown[],
  count: number,
  holds: (value: number) => boolean,
  kind: string,
  wrong: Wrong,
): number[] {
  if (values.length !== count) throw wrong(`${String(count)} numbers, one a label`, values);
  return values.map((value) => {
    if (typeof value !== "number" || !holds(value)) throw wrong(`number ${kind}`, value);
    return value;
  });
}

/**
 * The labels of a data set's rows as the model that `space` is of wants them. A single label is a name or an index;
 * of several labels there are the names of those that hold, or a number from 0 to 1 for each; scores are numbers, also
 * in text. Throws ERR_INVALID_LABELS naming the row.
 *
 * @param rows - the rows' places in the data, for the message
 */
export function toTargets(
  labels: readonly Label[],
  rows: readonly number[],
  space: LabelSpace,
): Targets {
  const width = space.labels.length;
  const wrongAt =
    (i: number): Wrong =>
    (expected, value) =>
      unexpected(expected, `the label of row ${String(rows[i])}`, value, "ERR_INVALID_LABELS");
  if (space.problemType === "single_label_classification") {
    return Int32Array.from(labels, (label, i) => classIndex(label, space.labels, wrongAt(i)));
  }
  const targets = new Float32Array(labels.length * width);
  labels.forEach((label, i) => {
    const row =
      space.problemType === "regression"
        ? scoresRow(label, width, wrongAt(i))
        : multiLabelRow(label, space.labels, wrongAt(i));
    targets.set(row, i * width);
  });
  return targets;
}
