import { unexpected } from "../check.cjs";
import { sigmoid } from "../probabilities.cjs";
import { at } from "./at.cjs";
import { f1Of } from "./class-metrics.cjs";
import { column } from "./columns.cjs";
import { readMetricInput, type MetricInput } from "./input.cjs";
import { isPositive } from "./multi-label.cjs";

const DEFAULT = 0.5;
/** The least and the largest number between 0 and 1: probabilities may round to these two. */
const LEAST = Number.MIN_VALUE;
const MOST = 1 - Number.EPSILON / 2;

/** What lies between two neighbouring probabilities, or is the upper one where nothing does. */
function between(lower: number, upper: number): number {
  const middle = lower + (upper - lower) / 2;
  return Math.min(MOST, Math.max(LEAST, middle > lower ? middle : upper));
}

/** A label's best threshold, the nearest to 0.5 of several. */
function thresholdOf(probabilities: Float64Array, positive: readonly boolean[]): number {
  const actual = positive.filter(Boolean).length;
  if (actual === 0) return DEFAULT;
  const order = [...probabilities.keys()].sort(
    (a, b) => at(probabilities, b) - at(probabilities, a),
  );
  let best = { f1: -1, threshold: DEFAULT };
  let both = 0;
  order.forEach((row, place) => {
    if (positive[row] === true) both++;
    const upper = at(probabilities, row);
    const isLast = place + 1 === order.length;
    const lower = isLast ? 0 : at(probabilities, at(order, place + 1));
    if (lower === upper && !isLast) return; // both or none
    const f1 = f1Of({ predicted: place + 1, actual, both });
    const threshold = between(lower, upper);
    const nearer = Math.abs(threshold - DEFAULT) < Math.abs(best.threshold - DEFAULT);
    if (f1 > best.f1 || (f1 === best.f1 && nearer)) best = { f1, threshold };
  });
  return best.threshold;
}

/**
 * For each label the threshold that gives it the largest F1 on these rows: midway between two neighbouring
 * probabilities, of several the nearest to 0.5. A label that no row has keeps 0.5. To be fitted to rows that were not
 * trained on.
 *
 * @param input - as for {@link computeMetrics}, of several labels; with the temperature that goes with the thresholds
 * @returns one threshold a label, each between 0 and 1
 * @throws {@link BertCnnError} as {@link computeMetrics} does
 */
export function fitThresholds(input: Omit<MetricInput, "thresholds">): number[] {
  const { problemType, labels, logits, targets } = readMetricInput(input);
  if (problemType !== "multi_label_classification") {
    throw unexpected('"multi_label_classification"', "input.problemType", problemType);
  }
  const width = labels.length;
  const probabilities = logits.map(sigmoid);
  return labels.map((_, label) =>
    thresholdOf(
      column(probabilities, label, width),
      [...column(targets, label, width)].map(isPositive),
    ),
  );
}
