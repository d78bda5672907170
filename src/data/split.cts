import { boolean, naturalNumber, shaped, unexpected, type Check } from "../check.cjs";
import { BertCnnError } from "../errors.cjs";
import type { LabelStatistics } from "./label-statistics.cjs";
import { elementAt } from "./element.cjs";
import { ascending, seededGenerator, shuffle, type Generator } from "./random.cjs";

/** Options of {@link Dataset.split}. */
export interface SplitOptions {
  /** The test rows: below 1 their share, rounded up, else how many they are. Default 0.2. */
  testSize?: number | undefined;
  /** Which rows these are follows from it. Default 0. */
  seed?: number | undefined;
  /** Whether each class has the same share of both parts. Default false. */
  stratify?: boolean | undefined;
}

/** A stream of its own: splitting and shuffling with one seed have nothing in common. */
const SPLIT_STREAM = -1;

const testSize: Check<number> = (value, name) => {
  const right =
    typeof value === "number" && value > 0 && (value < 1 || Number.isSafeInteger(value));
  if (!right) throw unexpected("share above 0 and below 1 or positive integer", name, value);
  return value;
};

const splitShape = { testSize, seed: naturalNumber, stratify: boolean };

/** Reads {@link SplitOptions}. */
export function readSplitOptions(value: unknown) {
  const given = shaped(value, "options", splitShape);
  return { testSize: given.testSize ?? 0.2, seed: given.seed ?? 0, stratify: !!given.stratify };
}

function testRows(size: number, rows: number): number {
  // 0.07 * 100 is 7.000000000000001: no eighth row for a rounding error.
  const test = size < 1 ? Math.max(1, Math.ceil(size * rows - 1e-9)) : size;
  if (test < rows) return test;
  throw new BertCnnError(
    "ERR_INVALID_ARGUMENT",
    `Expected a part of the ${String(rows)} rows for options.testSize but received ${String(size)}, which leaves ` +
      "no row to train on",
  );
}

/**
 * How many test rows each class gives: its share, rounded down, and one more for those with the largest remainders
 * until `test` are reached (Hamilton's method). Equal remainders are ordered by chance.
 */
function quotas(sizes: readonly number[], test: number, rows: number, generator: Generator) {
  const exact = sizes.map((size) => (size * test) / rows);
  const given = exact.map(Math.floor);
  const missing = test - given.reduce((sum, quota) => sum + quota, 0);
  const remainder = (place: number) => elementAt(exact, place) % 1;
  const order = shuffle([...sizes.keys()], generator).sort((a, b) => remainder(b) - remainder(a));
  for (const place of order.slice(0, missing)) given[place] = elementAt(given, place) + 1;
  return given;
}

/** Rows by class. */
function members({ classes, counts }: LabelStatistics): Uint32Array[] {
  const groups = [...counts.values()].map((count) => new Uint32Array(count));
  const filled = new Uint32Array(groups.length);
  classes.forEach((place, row) => {
    const next = elementAt(filled, place);
    elementAt(groups, place)[next] = row;
    filled[place] = next + 1;
  });
  return groups;
}

function checkStratifiable({ kind, indices }: LabelStatistics): void {
  if (kind === "string" || (kind === "number" && indices)) return;
  const labels =
    kind === "number" ? "numbers that are no class indices" : "arrays, or there are none";
  throw new BertCnnError(
    "ERR_INVALID_ARGUMENT",
    `Expected a class for each row with options.stratify but the labels are ${labels}`,
  );
}

/** The places of train and test rows, both ascending. */
export function splitRows(
  rows: number,
  options: ReturnType<typeof readSplitOptions>,
  statistics: LabelStatistics | null,
): { train: Uint32Array; test: Uint32Array } {
  const generator = seededGenerator(options.seed, SPLIT_STREAM);
  if (statistics) checkStratifiable(statistics);
  const test = testRows(options.testSize, rows);
  const groups = statistics ? members(statistics) : [ascending(rows)];
  const sizes = groups.map((group) => group.length);
  const counts = quotas(sizes, test, rows, generator);
  const isTest = new Uint8Array(rows);
  groups.forEach((group, place) => {
    for (const row of shuffle(group, generator).subarray(0, counts[place])) isTest[row] = 1;
  });
  const all = ascending(rows);
  return {
    train: all.filter((row) => isTest[row] === 0),
    test: all.filter((row) => isTest[row] === 1),
  };
}
