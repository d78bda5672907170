import { softmax } from "../probabilities.cjs";
import { at } from "./at.cjs";
import { macroF1, toClassMetrics, weightedF1, type ClassMetrics } from "./class-metrics.cjs";
import { column, meanOrNull } from "./columns.cjs";
import type { CheckedInput } from "./input.cjs";
import { crossEntropy } from "./losses.cjs";
import { reliabilityOf, type Reliability } from "./reliability.cjs";
import { rocAuc } from "./roc-auc.cjs";

/** Metrics of single-label classification, as scikit-learn defines them. */
export interface SingleLabelMetrics {
  /** Tells the kinds of metrics apart. */
  readonly problemType: "single_label_classification";
  /** Mean cross entropy. */
  readonly loss: number;
  /** Share of the rows whose most probable class is theirs. */
  readonly accuracy: number;
  /** Mean F1 of the classes that occur among targets or predictions. */
  readonly macroF1: number;
  /** Mean F1 of the classes, weighted by their rows. */
  readonly weightedF1: number;
  /** Matthews' correlation coefficient; 0 where all targets or all predictions are one class. */
  readonly matthews: number;
  /**
   * Area under the ROC curve: of class 1's probability for two classes, else the mean over the classes, each
   * against the rest. `null` where a class has no row, or every row.
   */
  readonly rocAuc: number | null;
  /** By class, in the order of the labels. */
  readonly perClass: readonly ClassMetrics[];
  /** Rows by target (first index) and predicted class (second index). */
  readonly confusionMatrix: readonly (readonly number[])[];
  /** How often the most probable class is right, by its probability. */
  readonly reliability: Reliability;
}

/** Of each row its most probable class, the first of equal ones, and that one's probability. */
export interface TopClasses {
  readonly classes: Int32Array;
  readonly confidences: Float64Array;
}

/** `[rows, labels]`: softmax of the logits. */
export function classProbabilities({ rows, labels, logits }: CheckedInput): Float64Array {
  const width = labels.length;
  const result = new Float64Array(logits.length);
  for (let row = 0; row < rows; row++) {
    result.set(softmax(logits.subarray(row * width, (row + 1) * width)), row * width);
  }
  return result;
}

/** The logits decide, since probabilities may round to equal ones. */
export function topClasses(
  { rows, labels, logits }: CheckedInput,
  probabilities: Float64Array,
): TopClasses {
  const width = labels.length;
  const classes = new Int32Array(rows);
  const confidences = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const own = logits.subarray(row * width, (row + 1) * width);
    const best = own.reduce((a, b) => Math.max(a, b), -Infinity);
    const top = own.indexOf(best);
    classes[row] = top;
    confidences[row] = at(probabilities, row * width + top);
  }
  return { classes, confidences };
}

function countPairs(targets: ArrayLike<number>, classes: Int32Array, width: number): number[][] {
  const counts = new Float64Array(width * width);
  classes.forEach((predicted, row) => {
    const cell = at(targets, row) * width + predicted;
    counts[cell] = at(counts, cell) + 1;
  });
  return Array.from({ length: width }, (_, target) => [
    ...counts.subarray(target * width, (target + 1) * width),
  ]);
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const dot = (a: readonly number[], b: readonly number[]): number =>
  total(a.map((value, i) => value * at(b, i)));

/** Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004. */
function matthewsOf(actual: readonly number[], predicted: readonly number[], right: number) {
  const rows = total(actual);
  const variance = (counts: readonly number[]) => rows * rows - dot(counts, counts);
  const both = Math.sqrt(variance(actual) * variance(predicted));
  return both === 0 ? 0 : (right * rows - dot(actual, predicted)) / both;
}

function rocAucOf({ labels, targets }: CheckedInput, probabilities: Float64Array): number | null {
  const width = labels.length;
  const ofClass = (label: number) =>
    rocAuc(column(probabilities, label, width), (row) => targets[row] === label);
  return width === 2 ? ofClass(1) : meanOrNull(labels.map((_, label) => ofClass(label)));
}

export function singleLabelReliability(
  input: CheckedInput,
  { classes, confidences }: TopClasses,
  bins: number,
): Reliability {
  return reliabilityOf(confidences, (row) => classes[row] === input.targets[row], bins);
}

export function singleLabelMetrics(input: CheckedInput, bins: number): SingleLabelMetrics {
  const { labels, rows, logits, targets } = input;
  const probabilities = classProbabilities(input);
  const top = topClasses(input, probabilities);
  const confusionMatrix = countPairs(targets, top.classes, labels.length);
  const actual = confusionMatrix.map(total);
  const predicted = labels.map((_, label) => total(confusionMatrix.map((row) => at(row, label))));
  const both = confusionMatrix.map((row, label) => at(row, label));
  const perClass = labels.map((label, i) =>
    toClassMetrics(label, {
      predicted: at(predicted, i),
      actual: at(actual, i),
      both: at(both, i),
    }),
  );
  const occurs = (label: number) => at(predicted, label) + at(actual, label) > 0;
  return {
    problemType: "single_label_classification",
    loss: crossEntropy(logits, targets, labels.length),
    accuracy: total(both) / rows,
    macroF1: macroF1(perClass.filter((_, label) => occurs(label))),
    weightedF1: weightedF1(perClass),
    matthews: matthewsOf(actual, predicted, total(both)),
    rocAuc: rocAucOf(input, probabilities),
    perClass,
    confusionMatrix,
    reliability: singleLabelReliability(input, top, bins),
  };
}
