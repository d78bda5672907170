import { at } from "./at.cjs";

/**
 * `log(sum(exp(logits)))` of one row. The largest logit is taken out, so that nothing overflows.
 */
export function logSumExp(logits: Float64Array): number {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
}

/** The mean cross entropy of logits `[rows, width]` and a class a row. */
export function crossEntropy(
  logits: Float64Array,
  targets: ArrayLike<number>,
  width: number,
): number {
  let sum = 0;
  for (let row = 0; row < targets.length; row++) {
    const own = logits.subarray(row * width, (row + 1) * width);
    sum += logSumExp(own) - at(own, at(targets, row));
  }
  return sum / targets.length;
}

/** The mean binary cross entropy of logits and targets from 0 to 1, in the form of PyTorch's BCEWithLogitsLoss. */
export function binaryCrossEntropy(logits: Float64Array, targets: ArrayLike<number>): number {
  const sum = logits.reduce(
    (total, logit, i) =>
      total + Math.max(logit, 0) - logit * at(targets, i) + Math.log1p(Math.exp(-Math.abs(logit))),
    0,
  );
  return sum / logits.length;
}
