import { unexpected } from "../check.cjs";
import { sigmoid, softmax } from "../probabilities.cjs";
import { at } from "./at.cjs";
import { readMetricInput, type CheckedInput, type MetricInput } from "./input.cjs";

// Of 1 / T. Where every row is right, the loss falls for ever as T goes to 0; where the logits say the opposite of the
// targets, as T goes to infinity.
const LEAST = 0.01;
const MOST = 100;
const STEPS = 200;

/** First and second derivative of the mean loss by the factor on the logits. */
interface Derivatives {
  readonly slope: number;
  readonly curvature: number;
}
type DerivativesAt = (factor: number) => Derivatives;

/** Of the cross entropy: the mean over the rows of E[x] - x[target] and of Var[x], over softmax(factor * x). */
function ofCrossEntropy({ rows, labels, logits, targets }: CheckedInput): DerivativesAt {
  const width = labels.length;
  return (factor) => {
    let slope = 0;
    let curvature = 0;
    for (let row = 0; row < rows; row++) {
      const own = logits.subarray(row * width, (row + 1) * width);
      const target = at(own, at(targets, row));
      // From the target's logit on, so that equal logits give exactly 0.
      const gaps = own.map((logit) => logit - target);
      const shares = softmax(gaps.map((gap) => factor * gap));
      const mean = shares.reduce((sum, share, i) => sum + share * at(gaps, i), 0);
      slope += mean;
      curvature += shares.reduce((sum, share, i) => sum + share * (at(gaps, i) - mean) ** 2, 0);
    }
    return { slope: slope / rows, curvature: curvature / rows };
  };
}

/** Of the binary cross entropy: the mean of (p - y) x and of p (1 - p) x^2, where p = sigmoid(factor * x). */
function ofBinaryCrossEntropy({ logits, targets }: CheckedInput): DerivativesAt {
  return (factor) => {
    let slope = 0;
    let curvature = 0;
    logits.forEach((logit, i) => {
      const share = sigmoid(factor * logit);
      slope += (share - at(targets, i)) * logit;
      curvature += share * (1 - share) * logit * logit;
    });
    return { slope: slope / logits.length, curvature: curvature / logits.length };
  };
}

/** Where the slope of a convex function is 0: Newton's steps, halving the bracket where one would leave it. */
function minimize(derivativesAt: DerivativesAt): number {
  let [low, high] = [LEAST, MOST];
  const atLeast = derivativesAt(low).slope;
  if (atLeast === 0) return 1; // all logits are alike: no factor is better than another
  if (atLeast > 0) return low;
  if (derivativesAt(high).slope <= 0) return high;
  let factor = 1;
  let change = Infinity;
  for (let step = 0; step < STEPS && change > 1e-14 * factor; step++) {
    const { slope, curvature } = derivativesAt(factor);
    if (slope > 0) high = factor;
    else low = factor;
    const newton = factor - slope / curvature;
    const next = newton > low && newton < high ? newton : Math.sqrt(low * high);
    change = Math.abs(next - factor);
    factor = next;
  }
  return factor;
}

function derivativesOf(input: CheckedInput): DerivativesAt {
  switch (input.problemType) {
    case "single_label_classification":
      return ofCrossEntropy(input);
    case "multi_label_classification":
      return ofBinaryCrossEntropy(input);
    case "regression":
      throw unexpected("a classification", "input.problemType", input.problemType);
  }
}

/**
 * The temperature that makes a classifier's probabilities most honest: the one of least loss, once the logits are
 * divided by it (Guo et al., On Calibration of Modern Neural Networks, 2017). It changes no order of the scores. To be
 * fitted to rows that were not trained on.
 *
 * From 0.01, where every row is right, to 100, where the logits say nothing; 1 where all are alike.
 *
 * @param input - as for {@link computeMetrics}, not of a regression
 * @throws {@link BertCnnError} as {@link computeMetrics} does
 */
export function fitTemperature(input: Omit<MetricInput, "temperature" | "thresholds">): number {
  return 1 / minimize(derivativesOf(readMetricInput(input)));
}
