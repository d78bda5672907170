/** The logistic function. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** `exp(logit) / sum(exp(logits))` of one row. */
export function softmax(logits: ArrayLike<number>): number[] {
  const row = Array.from(logits);
  // The largest logit is taken off first, so that no exponential overflows.
  const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = row.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
