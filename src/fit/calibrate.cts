import type { BertCnn } from "../bert-cnn.cjs";
import { fitCalibration } from "../metrics/calibration.cjs";
import type { EvaluatedTexts } from "./evaluate.cjs";

/** Gives a classifier the temperature, and for several labels the thresholds, that suit an evaluation. */
export async function calibrate(
  model: BertCnn,
  { logits, targets }: EvaluatedTexts,
): Promise<void> {
  const { problemType, labels } = model;
  await model.setCalibration(fitCalibration({ problemType, labels, logits: logits.data, targets }));
}
