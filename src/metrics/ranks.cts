import { at } from "./at.cjs";

/** Ranks from 1 up, in the order of `values`; equal values share the mean of their ranks, as SciPy's `rankdata`. */
export function averageRanks(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => at(values, a) - at(values, b));
  const ranks = new Float64Array(values.length);
  for (let first = 0; first < order.length;) {
    const value = at(values, at(order, first));
    let end = first + 1;
    while (end < order.length && at(values, at(order, end)) === value) end++;
    for (let i = first; i < end; i++) ranks[at(order, i)] = (first + 1 + end) / 2;
    first = end;
  }
  return ranks;
}
