import { at } from "./at.cjs";

/** Column `label` of `[rows, width]`. */
export function column(matrix: ArrayLike<number>, label: number, width: number): Float64Array {
  const rows = matrix.length / width;
  return Float64Array.from({ length: rows }, (_, row) => at(matrix, row * width + label));
}

/** The mean; `null` where a part is. */
export function meanOrNull(values: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum / values.length;
}
