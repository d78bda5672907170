import { at } from "./at.cjs";
import { averageRanks } from "./ranks.cjs";

const mean = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length;
const norm = (values: Float64Array): number => Math.sqrt(values.reduce((a, b) => a + b * b, 0));

/** Asked exactly: the mean of equal numbers may differ from them by rounding. */
export const isConstant = (values: Float64Array): boolean =>
  values.every((value) => value === values[0]);

/** The values less their mean, divided by their length as a vector. */
function direction(values: Float64Array): Float64Array {
  const middle = mean(values);
  const centred = values.map((value) => value - middle);
  const length = norm(centred);
  return centred.map((value) => value / length);
}

/** Pearson's correlation coefficient; `null` where either is constant, as it is for one row. */
export function pearson(a: Float64Array, b: Float64Array): number | null {
  if (isConstant(a) || isConstant(b)) return null;
  const other = direction(b);
  const cosine = direction(a).reduce((sum, value, i) => sum + value * at(other, i), 0);
  return Math.max(-1, Math.min(1, cosine));
}

/** Spearman's: Pearson's of the ranks, where equal values share the mean of theirs. */
export function spearman(a: Float64Array, b: Float64Array): number | null {
  return pearson(averageRanks(a), averageRanks(b));
}
