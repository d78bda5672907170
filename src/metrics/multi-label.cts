import { sigmoid } from "../probabilities.cjs";
import { at } from "./at.cjs";
import {
  f1Of,
  macroF1,
  toClassMetrics,
  weightedF1,
  type ClassMetrics,
  type LabelCounts,
} from "./class-metrics.cjs";
import { column, meanOrNull } from "./columns.cjs";
import type { CheckedInput } from "./input.cjs";
import { binaryCrossEntropy } from "./losses.cjs";
import { reliabilityOf, type Reliability } from "./reliability.cjs";
import { rocAuc } from "./roc-auc.cjs";

/**
 * Metrics of classification with several labels, as scikit-learn defines them. A row is given the labels whose
 * probability reaches their threshold; a target of 0.5 or more counts as having the label, but for the loss.
 */
export interface MultiLabelMetrics {
  /** Tells the kinds of metrics apart. */
  readonly problemType: "multi_label_classification";
  /** Mean binary cross entropy. */
  readonly loss: number;
  /** Share of the rows that are given exactly their labels. */
  readonly accuracy: number;
  /** F1 over all labels of all rows. */
  readonly microF1: number;
  /** Mean F1 of the labels. */
  readonly macroF1: number;
  /** Mean F1 of the labels, weighted by their rows; 0 where no row has any. */
  readonly weightedF1: number;
  /** Mean over the labels of the area under the ROC curve. `null` where a label has no row, or every row. */
  readonly rocAuc: number | null;
  /** By label, in the order of the labels. */
  readonly perClass: readonly ClassMetrics[];
  /** How often a row has a label, by the label's probability. */
  readonly reliability: Reliability;
}

/** Whether a target counts as having the label. */
export const isPositive = (target: number): boolean => target >= 0.5;

/** Whether the row that begins at `first` is given the label, and whether it has it. */
function compare(
  { targets, thresholds }: CheckedInput,
  probabilities: Float64Array,
  first: number,
  label: number,
): { predicted: boolean; actual: boolean } {
  return {
    predicted: at(probabilities, first + label) >= at(thresholds, label),
    actual: isPositive(at(targets, first + label)),
  };
}

function countLabels(
  input: CheckedInput,
  probabilities: Float64Array,
): { counts: LabelCounts[]; exactRows: number } {
  const counts = input.labels.map(() => ({ predicted: 0, actual: 0, both: 0 }));
  let exactRows = 0;
  for (let first = 0; first < probabilities.length; first += counts.length) {
    let wrong = 0;
    counts.forEach((count, label) => {
      const { predicted, actual } = compare(input, probabilities, first, label);
      if (predicted) count.predicted++;
      if (actual) count.actual++;
      if (predicted && actual) count.both++;
      if (predicted !== actual) wrong++;
    });
    if (wrong === 0) exactRows++;
  }
  return { counts, exactRows };
}

function totalOf(counts: readonly LabelCounts[]): LabelCounts {
  const sum = { predicted: 0, actual: 0, both: 0 };
  for (const { predicted, actual, both } of counts) {
    sum.predicted += predicted;
    sum.actual += actual;
    sum.both += both;
  }
  return sum;
}

function rocAucOf({ labels, targets }: CheckedInput, probabilities: Float64Array): number | null {
  const width = labels.length;
  return meanOrNull(
    labels.map((_, label) =>
      rocAuc(column(probabilities, label, width), (row) =>
        isPositive(at(targets, row * width + label)),
      ),
    ),
  );
}

export function multiLabelReliability(
  { targets }: CheckedInput,
  probabilities: Float64Array,
  bins: number,
): Reliability {
  return reliabilityOf(probabilities, (place) => isPositive(at(targets, place)), bins);
}

export function multiLabelMetrics(input: CheckedInput, bins: number): MultiLabelMetrics {
  const { labels, rows, logits, targets } = input;
  const probabilities = logits.map(sigmoid);
  const { counts, exactRows } = countLabels(input, probabilities);
  const perClass = counts.map((count, label) => toClassMetrics(labels[label] ?? "", count));
  return {
    problemType: "multi_label_classification",
    loss: binaryCrossEntropy(logits, targets),
    accuracy: exactRows / rows,
    microF1: f1Of(totalOf(counts)),
    macroF1: macroF1(perClass),
    weightedF1: weightedF1(perClass),
    rocAuc: rocAucOf(input, probabilities),
    perClass,
    reliability: multiLabelReliability(input, probabilities, bins),
  };
}
