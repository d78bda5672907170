import { at } from "./at.cjs";
import { column, meanOrNull } from "./columns.cjs";
import { isConstant, pearson, spearman } from "./correlation.cjs";
import type { CheckedInput } from "./input.cjs";

/** How near the predicted numbers are to the targets, as scikit-learn and SciPy define it. */
export interface RegressionScores {
  /** Mean squared error. */
  readonly mse: number;
  /** Mean absolute error. */
  readonly mae: number;
  /** Root of the mean squared error. */
  readonly rmse: number;
  /**
   * Coefficient of determination. Of constant targets 1 where each is met, else 0; `null` for one row.
   */
  readonly r2: number | null;
  /** Pearson's correlation coefficient. `null` where targets or predictions are constant. */
  readonly pearson: number | null;
  /** Spearman's correlation coefficient, with average ranks for ties. `null` where {@link pearson} is. */
  readonly spearman: number | null;
}

/** {@link RegressionScores} of one label. */
export interface LabelScores extends RegressionScores {
  /** Its name. */
  readonly label: string;
}

/** Metrics of regression: of several labels the means of theirs. */
export interface RegressionMetrics extends RegressionScores {
  /** Tells the kinds of metrics apart. */
  readonly problemType: "regression";
  /** The mean squared error. */
  readonly loss: number;
  /** By label, in the order of the labels. */
  readonly perLabel: readonly LabelScores[];
}

function r2Of(targets: Float64Array, squares: number): number | null {
  const rows = targets.length;
  if (rows < 2) return null;
  if (isConstant(targets)) return squares === 0 ? 1 : 0;
  const mean = targets.reduce((a, b) => a + b, 0) / rows;
  return 1 - squares / targets.reduce((sum, target) => sum + (target - mean) ** 2, 0);
}

function scoresOf(predicted: Float64Array, targets: Float64Array): RegressionScores {
  const rows = targets.length;
  const errors = predicted.map((value, row) => value - at(targets, row));
  const squares = errors.reduce((sum, error) => sum + error * error, 0);
  const mse = squares / rows;
  return {
    mse,
    mae: errors.reduce((sum, error) => sum + Math.abs(error), 0) / rows,
    rmse: Math.sqrt(mse),
    r2: r2Of(targets, squares),
    pearson: pearson(predicted, targets),
    spearman: spearman(predicted, targets),
  };
}

export function regressionMetrics({ labels, logits, targets }: CheckedInput): RegressionMetrics {
  const width = labels.length;
  const perLabel = labels.map((label, i) => ({
    label,
    ...scoresOf(column(logits, i, width), column(targets, i, width)),
  }));
  const mean = (of: (scores: RegressionScores) => number) =>
    perLabel.reduce((sum, scores) => sum + of(scores), 0) / width;
  const mse = mean((scores) => scores.mse);
  return {
    problemType: "regression",
    loss: mse,
    mse,
    mae: mean((scores) => scores.mae),
    rmse: mean((scores) => scores.rmse),
    r2: meanOrNull(perLabel.map(({ r2 }) => r2)),
    pearson: meanOrNull(perLabel.map((scores) => scores.pearson)),
    spearman: meanOrNull(perLabel.map((scores) => scores.spearman)),
    perLabel,
  };
}
