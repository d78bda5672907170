/** What is trained on: texts of mixed lengths as token ids, and labels. */
import path from "node:path";

import { minilm, ratings } from "../../assets.mjs";
import { randomNumbers, readRatings, shuffled } from "../../demo/ratings.mjs";
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

/**
 * Sentences of movie reviews, as they come, and MiniLM with a new head to tell good ones from bad ones.
 *
 * @param {{ steps: number, rows: number, scratch: string }} wanted
 * @returns {Promise<{ folder: string, batches: { texts: number[][], labels: number[] }[] }>}
 */
export async function makeSentences({ steps, rows, scratch }) {
  const { BertCnn, Tokenizer } = await import("../../../dist/index.js"); // which setting up makes
  const file = path.join(await ratings(), "movieReviewSnippets_GroundTruth.txt");
  const rated = shuffled(await readRatings(file), randomNumbers(SEED)).slice(0, steps * rows);
  const source = await minilm();
  const tokenizer = await Tokenizer.fromPretrained(source);
  const texts = rated.map(({ text }) => [...tokenizer.encode(text).ids]);
  const labels = rated.map(({ rating }) => (rating > 0 ? 1 : 0));
  const folder = path.join(scratch, "minilm");
  const model = await BertCnn.fromPretrained(source, { labels: ["bad", "good"], seed: SEED });
  await model.savePretrained(folder);
  await model.dispose();
  const batches = Array.from({ length: steps }, (_, step) => {
    const [begin, end] = [step * rows, (step + 1) * rows];
    return { texts: texts.slice(begin, end), labels: labels.slice(begin, end) };
  });
  return { folder, batches };
}
