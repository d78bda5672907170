/** What is computed: texts of given lengths, as token ids, or sentences. */
import { randomNumbers } from "../../demo/ratings.mjs";

const SEED = 20261124;
const LONGEST = 256;
const SHORTEST = 5;
/** Of the lengths' logarithms: a mean of 32 to 39 tokens after cutting. */
const [LOG_MEAN, LOG_DEVIATION] = [Math.log(24), 0.85];
/** Ids below are BERT's special and unused tokens. */
const FIRST_ID = 1000;

/**
 * @typedef {object} Plan how a workload is made
 * @property {string} title
 * @property {"bulk" | "batched" | "latency"} kind all texts at once, in any way; in batches; one after another
 * @property {number[]} lengths in tokens
 * @property {number} batch texts in a batch
 */

/** Lengths as texts of users have them: log-normal. @param {number} count */
export function mixedLengths(count) {
  const random = randomNumbers(SEED);
  return Array.from({ length: count }, () => {
    // Box and Muller's way from uniform to normal numbers.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const length = Math.round(Math.exp(LOG_MEAN + LOG_DEVIATION * normal));
    return Math.min(LONGEST, Math.max(SHORTEST, length));
  });
}

const fixed = (length, count) => new Array(count).fill(length);

/** @param {boolean} quick few texts @returns {Record<string, Plan>} those of the BERT-base shape, by name */
export function basePlans(quick) {
  const some = (count) => (quick ? Math.max(1, count >> 2) : count);
  const one = (length, count) => ({
    title: `${length} tokens, one text at a time`,
    kind: "latency",
    lengths: fixed(length, some(count)),
    batch: 1,
  });
  const many = (length, count, batch) => ({
    title: `${length} tokens, batches of ${batch}`,
    kind: "batched",
    lengths: fixed(length, some(count)),
    batch,
  });
  const mixed = mixedLengths(some(128));
  const mean = mixed.reduce((sum, length) => sum + length, 0) / mixed.length;
  return {
    mixed: {
      title: `mixed lengths, ${mean.toFixed(0)} tokens in the mean`,
      kind: "bulk",
      lengths: mixed,
      batch: 32,
    },
    "one-16": one(16, 24),
    "batch-16": many(16, 64, 32),
    "one-128": one(128, 6),
    "batch-128": many(128, 16, 16),
    "one-512": one(512, 2),
    "batch-512": many(512, 4, 4),
  };
}

/** @param {number[]} lengths @param {number} vocabulary @returns {number[][]} token ids */
export function randomTexts(lengths, vocabulary) {
  const random = randomNumbers(SEED + 1);
  const first = Math.min(FIRST_ID, vocabulary >> 1);
  const draw = () => first + Math.floor(random() * (vocabulary - first));
  return lengths.map((length) => Array.from({ length }, draw));
}
