import { averageRanks } from "./ranks.cjs";

/**
 * The area under the ROC curve: the share of pairs of a positive and a negative row in which the positive has the
 * higher score, ties counted half (Mann and Whitney, 1947). `null` where either is missing.
 *
 * @param scores - `[rows]`
 * @param isPositive - by row
 */
export function rocAuc(scores: Float64Array, isPositive: (row: number) => boolean): number | null {
  const ranks = averageRanks(scores);
  let positives = 0;
  let sum = 0;
  ranks.forEach((rank, row) => {
    if (!isPositive(row)) return;
    positives++;
    sum += rank;
  });
  const negatives = scores.length - positives;
  if (positives === 0 || negatives === 0) return null;
  return (sum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
