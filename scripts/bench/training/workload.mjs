/** What is trained on: texts of mixed lengths as token ids, and labels. */
import { randomNumbers } from "../../demo/ratings.mjs";
import { mixedLengths, randomTexts } from "../peers/workloads.mjs";

const SEED = 3;
const LABELS = 2;

/**
 * @param {{ steps: number, rows: number, vocabulary: number }} wanted
 * @returns {{ texts: number[][], labels: number[] }[]} a batch for each step
 */
export function makeBatches({ steps, rows, vocabulary }) {
  const texts = randomTexts(mixedLengths(steps * rows), vocabulary);
  const random = randomNumbers(SEED);
  const labels = texts.map(() => Math.floor(random() * LABELS));
  return Array.from({ length: steps }, (_, step) => {
    const [begin, end] = [step * rows, (step + 1) * rows];
    return { texts: texts.slice(begin, end), labels: labels.slice(begin, end) };
  });
}
