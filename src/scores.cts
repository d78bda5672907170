import type { NativePrediction } from "./native.cjs";
import type { ProblemType } from "./labels.cjs";
import { sigmoid, softmax } from "./probabilities.cjs";

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

type Scores = ArrayLike<number>;

const transform: Record<ScoreFunction, (logits: Float32Array, temperature: number) => Scores> = {
  softmax: (logits, temperature) => softmax(Array.from(logits, (logit) => logit / temperature)),
  sigmoid: (logits, temperature) => Array.from(logits, (logit) => sigmoid(logit / temperature)),
  none: (logits) => logits,
};

/** What a row's scores are made of, and how many of them are given. */
export interface Ranking {
  /** The function asked for. */
  readonly apply: ScoreFunction;
  /** The one of the model's problem type. */
  readonly own: ScoreFunction;
  /** `null`: all; undefined: those that reach their thresholds, else the default of the problem type. */
  readonly topK?: number | null | undefined;
}

/**
 * The scores of one row in the order of the labels. The model's own probabilities are used where they are what was
 * asked for and nothing is to be corrected; only else is a function applied here.
 */
function scoresOf(prediction: NativePrediction, row: number, { apply, own }: Ranking): Scores {
  const { logits, probabilities, labels, calibration } = prediction;
  const part = (values: Float32Array) => values.subarray(row * labels, (row + 1) * labels);
  if (apply === own && !calibration) return part(probabilities ?? logits);
  return transform[apply](part(logits), calibration?.temperature ?? 1);
}

/** Which labels of a row are given at all, by their places. */
function isGiven(prediction: NativePrediction, row: number, ranking: Ranking) {
  const thresholds = prediction.calibration?.thresholds;
  if (thresholds === undefined || ranking.topK !== undefined) return () => true;
  const probabilities = scoresOf(prediction, row, { ...ranking, apply: ranking.own });
  return (label: number) => (probabilities[label] ?? NaN) >= (thresholds[label] ?? NaN);
}

function countOf({ calibration, labels }: NativePrediction, { own, topK }: Ranking): number {
  if (topK === undefined) return own === "none" || calibration?.thresholds ? labels : 1;
  return topK ?? labels;
}

/** The labels of each row with their scores, best first, ties in the order of the labels. */
export function rank(
  prediction: NativePrediction,
  labels: readonly string[],
  ranking: Ranking,
): Classification[][] {
  const count = countOf(prediction, ranking);
  return Array.from({ length: prediction.rows }, (_, row) => {
    const scores = scoresOf(prediction, row, ranking);
    const given = isGiven(prediction, row, ranking);
    return labels
      .map((label, i) => ({ label, score: scores[i] ?? NaN }))
      .filter((_, i) => given(i))
      .sort((a, b) => b.score - a.score)
      .slice(0, count);
  });
}
