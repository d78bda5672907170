// The demo's command line.
import { parseArgs } from "node:util";

export const USAGE = `npm run demo -- [options]

Trains a BERT-CNN on human sentiment ratings of movie-review sentences, tries it on held-out ones, saves
it, loads it again.

  --model DIR          a BERT checkpoint (default: the MiniLM encoder, fetched into the cache)
  --data FILE          lines of id, rating and text between tabs (default: movie reviews, fetched likewise)
  --epochs N           passes over the training sentences (default: 5)
  --batch N            sentences in a training step (default: 32)
  --learning-rate X    of the convolutions and the classifier (default: 5e-4)
  --seed N             of the split, the order, the new weights and the dropout (default: 0)
  --limit N            take only N sentences of the data, drawn by the seed (default: all)
  --out DIR            keep the trained model there (default: a temporary folder, removed at the end)
  --json FILE          write the results there, for scripts
  --help               show this`;

/**
 * @typedef {object} DemoOptions
 * @property {string | undefined} model
 * @property {string | undefined} data
 * @property {number} epochs
 * @property {number} batch
 * @property {number} learningRate
 * @property {number} seed
 * @property {number} limit
 * @property {string | undefined} out
 * @property {string | undefined} json
 * @property {boolean} help
 */

/**
 * Reads the command line. Throws an Error that names the option and what would be right.
 * @param {string[]} args
 * @returns {DemoOptions}
 */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: "string" },
      data: { type: "string" },
      epochs: { type: "string", default: "5" },
      batch: { type: "string", default: "32" },
      "learning-rate": { type: "string", default: "5e-4" },
      seed: { type: "string", default: "0" },
      limit: { type: "string" },
      out: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    model: values.model,
    data: values.data,
    epochs: wholeNumber("--epochs", values.epochs, 1),
    batch: wholeNumber("--batch", values.batch, 1),
    learningRate: positiveNumber("--learning-rate", values["learning-rate"]),
    seed: wholeNumber("--seed", values.seed, 0),
    // 10 sentences leave 2 held-out ones, the fewest that have a correlation.
    limit: values.limit === undefined ? Infinity : wholeNumber("--limit", values.limit, 10),
    out: values.out,
    json: values.json,
    help: values.help,
  };
}

/**
 * @param {string} name
 * @param {string} text
 * @param {number} least
 */
function wholeNumber(name, text, least) {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
    throw new Error(
      `Expected a whole number of at least ${least} for ${name} but received '${text}'`,
    );
  }
  return value;
}

/**
 * @param {string} name
 * @param {string} text
 */
function positiveNumber(name, text) {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) {
    throw new Error(`Expected a number above 0 for ${name} but received '${text}'`);
  }
  return value;
}
