import { integerUpTo, unexpected } from "../check.cjs";
import { sigmoid } from "../probabilities.cjs";
import { readMetricInput, type MetricInput } from "./input.cjs";
import {
  multiLabelMetrics,
  multiLabelReliability,
  type MultiLabelMetrics,
} from "./multi-label.cjs";
import { regressionMetrics, type RegressionMetrics } from "./regression.cjs";
import type { Reliability } from "./reliability.cjs";
import {
  classProbabilities,
  singleLabelMetrics,
  singleLabelReliability,
  topClasses,
  type SingleLabelMetrics,
} from "./single-label.cjs";

/** What {@link computeMetrics} gives, by problem type. */
export type Metrics = SingleLabelMetrics | MultiLabelMetrics | RegressionMetrics;

const BINS = 10;

/**
 * How well logits meet their targets. All sums are in double precision. `docs/evaluation.md` has the definitions.
 *
 * @example
 * ```ts
 * const { logits } = await model.predict(texts);
 * const { problemType, labels } = model;
 * const metrics = computeMetrics({ problemType, labels, logits: logits.data, targets });
 * ```
 *
 * @param input - at least one row of logits, and its target
 * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, also for logits that are not finite, or `ERR_INVALID_LABELS`
 */
export function computeMetrics(input: MetricInput): Metrics {
  const checked = readMetricInput(input);
  switch (checked.problemType) {
    case "single_label_classification":
      return singleLabelMetrics(checked, BINS);
    case "multi_label_classification":
      return multiLabelMetrics(checked, BINS);
    case "regression":
      return regressionMetrics(checked);
  }
}

/**
 * How often a classifier is right, by how sure it is: of a single label its most probable class, of several labels
 * each of them. {@link computeMetrics} gives the same with ten bins.
 *
 * @param input - as for {@link computeMetrics}, not of a regression
 * @param bins - how many, of equal width; default 10
 * @throws {@link BertCnnError} as {@link computeMetrics} does
 */
export function computeReliability(input: MetricInput, bins: number = BINS): Reliability {
  const checked = readMetricInput(input);
  const count = integerUpTo(1e6)(bins, "bins");
  switch (checked.problemType) {
    case "single_label_classification":
      return singleLabelReliability(
        checked,
        topClasses(checked, classProbabilities(checked)),
        count,
      );
    case "multi_label_classification":
      return multiLabelReliability(checked, checked.logits.map(sigmoid), count);
    case "regression":
      throw unexpected("a classification", "input.problemType", checked.problemType);
  }
}

/** The names of all metrics of a problem type that are one number; of some data a few of these are `null`. */
export function metricNames({ problemType, labels }: Pick<MetricInput, "problemType" | "labels">) {
  const logits = new Float32Array(labels.length);
  const isClass = problemType === "single_label_classification";
  const targets = isClass ? new Int32Array(1) : new Float32Array(labels.length);
  const metrics = computeMetrics({ problemType, labels, logits, targets });
  const isNumber = (value: unknown) => value === null || typeof value === "number";
  const names = Object.entries(metrics).flatMap(([name, value]) => (isNumber(value) ? name : []));
  return problemType === "regression" ? names : [...names, "ece"];
}

/**
 * The metrics that are one number, by name, as logs and charts want them: without those that are `null`, by class or
 * label, and with {@link Reliability.ece} as `ece`.
 *
 * @param metrics - what {@link computeMetrics} gave
 */
export function flattenMetrics(metrics: Metrics): Record<string, number> {
  const numbers = Object.entries(metrics).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
  const ece: [string, number][] =
    metrics.problemType === "regression" ? [] : [["ece", metrics.reliability.ece]];
  return Object.fromEntries([...numbers, ...ece]);
}
