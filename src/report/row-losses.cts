import type { RunEvaluation } from "./run-record.cjs";

type Rows = Pick<RunEvaluation, "problemType" | "labels" | "logits" | "targets">;

const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, value), -Infinity);

/** Of class indices: -log softmax(logits)[target], with the largest logit taken off so that nothing overflows. */
function crossEntropy(logits: Float32Array, target: number): number {
  const most = largest(logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
  return Math.log(total) + most - (logits[target] ?? NaN);
}

/** The labels' mean of -t log sigmoid(z) - (1 - t) log(1 - sigmoid(z)), in the form that does not overflow. */
function binaryCrossEntropy(logits: Float32Array, targets: ArrayLike<number>): number {
  const sum = logits.reduce(
    (total, z, i) =>
      total + Math.max(z, 0) - z * (targets[i] ?? NaN) + Math.log1p(Math.exp(-Math.abs(z))),
    0,
  );
  return sum / logits.length;
}

function squaredError(logits: Float32Array, targets: ArrayLike<number>): number {
  return logits.reduce((sum, z, i) => sum + (z - (targets[i] ?? NaN)) ** 2, 0) / logits.length;
}

/** The loss of each row as PyTorch's cross entropy, BCE with logits, and MSE have it, without weights. */
export function rowLosses({ problemType, labels, logits, targets }: Rows): Float64Array {
  const width = labels.length;
  return Float64Array.from({ length: logits.length / width }, (_, row) => {
    const own = logits.subarray(row * width, (row + 1) * width);
    if (problemType === "single_label_classification")
      return crossEntropy(own, targets[row] ?? NaN);
    const wanted = targets.subarray(row * width, (row + 1) * width);
    return problemType === "regression"
      ? squaredError(own, wanted)
      : binaryCrossEntropy(own, wanted);
  });
}

/** The probabilities of a row: softmax or sigmoid, and for regression the numbers themselves. */
export function rowScores({ problemType, labels, logits }: Rows, row: number): Float64Array {
  const own = logits.subarray(row * labels.length, (row + 1) * labels.length);
  if (problemType === "regression") return Float64Array.from(own);
  if (problemType === "multi_label_classification") {
    return Float64Array.from(own, (z) => 1 / (1 + Math.exp(-z)));
  }
  const most = largest(own);
  const powers = Float64Array.from(own, (z) => Math.exp(z - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** The rows with the highest losses, the highest first; a loss that is not finite is higher than all. */
export function highestLosses(losses: Float64Array, most: number): number[] {
  const order = Float64Array.from(losses, (loss) => (Number.isFinite(loss) ? loss : Infinity));
  const rows = Array.from(order.keys());
  // Infinity less Infinity is NaN, which counts as equal: in the order of the rows.
  return rows.sort((a, b) => (order[b] ?? 0) - (order[a] ?? 0) || 0).slice(0, most);
}
