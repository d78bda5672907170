import type { NativePrediction } from "./native.cjs";
import type { ProblemType } from "./labels.cjs";

/** A label with its score, as `classify` gives it. */
export interface Classification {
  /** One of the model's labels. */
  label: string;
  /** A probability, or the logit itself with `functionToApply: "none"` and for regression. */
  score: number;
}

/** What turns logits into scores. */
export type ScoreFunction = "softmax" | "sigmoid" | "none";

/** Hugging Face's choice: softmax and sigmoid by problem type, and for regression the logits themselves. */
export const defaultFunction: Record<ProblemType, ScoreFunction> = {
  single_label_classification: "softmax",
  multi_label_classification: "sigmoid",
  regression: "none",
};

const transform: Record<ScoreFunction, (logits: Float32Array) => ArrayLike<number>> = {
  softmax: (logits) => {
    // The largest logit is taken off first, so that no exponential overflows.
    const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  },
  sigmoid: (logits) => Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit))),
  none: (logits) => logits,
};

/**
 * The scores of each row, best first, ties in the order of the labels. The model's own probabilities are
 * used where they are what was asked for; only another function is applied here.
 */
export function rank(
  { rows, logits, probabilities }: NativePrediction,
  labels: readonly string[],
  { apply, own, topK }: { apply: ScoreFunction; own: ScoreFunction; topK: number | null },
): Classification[][] {
  const width = labels.length;
  const source = apply === own ? (probabilities ?? logits) : logits;
  const scoresOf = apply === own ? transform.none : transform[apply];
  return Array.from({ length: rows }, (_, row) => {
    const scores = scoresOf(source.subarray(row * width, (row + 1) * width));
    return labels
      .map((label, i) => ({ label, score: scores[i] ?? NaN }))
      .sort((a, b) => b.score - a.score)
      .slice(0, topK ?? width);
  });
}
