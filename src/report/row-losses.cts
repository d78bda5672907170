import { binaryCrossEntropy, logSumExp } from "../metrics/losses.cjs";
import { sigmoid, softmax } from "../probabilities.cjs";
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

function squaredError(logits: Float64Array, targets: ArrayLike<number>): number {
  return logits.reduce((sum, z, i) => sum + (z - (targets[i] ?? NaN)) ** 2, 0) / logits.length;
}

/** The loss of each row as PyTorch's cross entropy, BCE with logits, and MSE have it, without weights. */
export function rowLosses(rows: Rows): Float64Array {
  return Float64Array.from({ length: rows.logits.length / rows.labels.length }, (_, row) => {
    const logits = rowLogits(rows, row);
    switch (rows.problemType) {
      case "single_label_classification":
        return logSumExp(logits) - (logits[rows.targets[row] ?? NaN] ?? NaN);
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
    case "single_label_classification":
      return Float64Array.from(softmax(logits));
    case "multi_label_classification":
      return logits.map(sigmoid);
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
