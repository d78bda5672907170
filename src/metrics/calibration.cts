import type { Calibration } from "./calibration-values.cjs";
import type { MetricInput } from "./input.cjs";
import { fitTemperature } from "./temperature.cjs";
import { fitThresholds } from "./thresholds.cjs";

/**
 * The calibration of a classifier on rows that it was not trained on: {@link fitTemperature}, and for several labels
 * then {@link fitThresholds}.
 *
 * @example
 * ```ts
 * const { problemType, labels } = model;
 * const { logits } = await model.predict(texts);
 * const rows = { problemType, labels, logits: logits.data, targets };
 * await model.setCalibration(fitCalibration(rows));
 * ```
 *
 * @param input - as for {@link computeMetrics}, not of a regression
 * @throws {@link BertCnnError} as {@link computeMetrics} does
 */
export function fitCalibration(
  input: Omit<MetricInput, "temperature" | "thresholds">,
): Calibration {
  const temperature = fitTemperature(input);
  if (input.problemType !== "multi_label_classification") return { temperature };
  return { temperature, thresholds: fitThresholds({ ...input, temperature }) };
}
