import type { RunEvaluation } from "./run-record.cjs";

type Rows = Pick<RunEvaluation, "problemType" | "labels" | "logits" | "targets" | "temperature">;

/** A row's logits, divided by the temperature. */
function rowLogits({ labels, logits, temperature = 1 }: Rows, row: number): Float64Array {
  const own = logits.subarray(row * labels.length, (row + 1) * labels.length);
  return Float64Array.from(own, (logit) => logit / temperature);
}

/** A row's targets, one a label. */
export function rowTargets({ labels, targets }: Rows, row: number): ArrayLike<number> {
  return targets.subarray(row * labels.length, (row + 1) * labels.length);
}

const largest = (values: Float64Array): number =>
  values.reduce((most, value) => Math.max(most, value), -Infinity);

/** Of class indices: -log softmax(logits)[target], with the largest logit taken off so that nothing overflows. */
function crossEntropy(logits: Float64Array, target: number): number {
  const most = largest(logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0);
  return Math.log(total) + most - (logits[target] ?? NaN);
}

/** The labels' mean of -t log sigmoid(z) - (1 - t) log(1 - sigmoid(z)), in the form that does not overflow. */
function binaryCrossEntropy(logits: Float64Array, targets: ArrayLike<number>): number {
  const sum = logits.reduce(
    (total, z, i) =>
      total + Math.max(z, 0) - z * (targets[i] ?? NaN) + Math.log1p(Math.exp(-Math.abs(z))),
    0,
  );
  return sum / logits.length;
}

function squaredError(logits: Float64Array, targets: ArrayLike<number>): number {
  return logits.reduce((sum, z, i) => sum + (z - (targets[i] ?? NaN)) ** 2, 0) / logits.length;
}

/** The loss of each row as PyTorch's cross entropy, BCE with logits, and MSE have it, without weights. */
export function rowLosses(rows: Rows): Float64Array {
  return Float64Array.from({ length: rows.logits.length / rows.labels.length }, (_, row) => {
    const logits = rowLogits(rows, row);
    switch (rows.problemType) {
      case "single_label_classification":
        return crossEntropy(logits, rows.targets[row] ?? NaN);
      case "multi_label_classification":
        return binaryCrossEntropy(logits, rowTargets(rows, row));
      case "regression":
        return squaredError(logits, rowTargets(rows, row));
    }
  });
}

/** The probabilities of a row: softmax or sigmoid, and for regression the numbers themselves. */
export function rowScores(rows: Rows, row: number): Float64Array {
  const logits = rowLogits(rows, row);
  switch (rows.problemType) {
    case "single_label_classification": {
      const most = largest(logits);
      const powers = logits.map((logit) => Math.exp(logit - most));
      const total = powers.reduce((sum, power) => sum + power, 0);
      return powers.map((power) => power / total);
    }
    case "multi_label_classification":
      return logits.map((logit) => 1 / (1 + Math.exp(-logit)));
    case "regression":
      return logits;
  }
}

/** The rows with the highest losses, the highest first; a loss that is not finite is higher than all. */
export function highestLosses(losses: Float64Array, most: number): number[] {
  const order = Float64Array.from(losses, (loss) => (Number.isFinite(loss) ? loss : Infinity));
  const rows = Array.from(order.keys());
  // Infinity less Infinity is NaN, which counts as equal: in the order of the rows.
  return rows.sort((a, b) => (order[b] ?? 0) - (order[a] ?? 0) || 0).slice(0, most);
}
