// From human ratings to a trained model and its predictions: `npm run demo`, which sets everything up first.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { correlation, signAccuracy } from "./demo/measures.mjs";
import { USAGE, readOptions } from "./demo/options.mjs";
import { Progress } from "./demo/progress.mjs";
import { randomNumbers, readRatings, shuffled, split } from "./demo/ratings.mjs";

const SENTENCES = [
  "A small miracle of a film: funny, sad and wise.",
  "Two hours of my life that I would like to have back.",
  "The actors do what they can with a script that gives them nothing.",
  "I went in without hopes and came out humming the tune.",
  "Not bad at all.",
];
const RATINGS_FILE = "movieReviewSnippets_GroundTruth.txt";
const PREDICT_ROWS = 256; // sentences handed over at a time; the engine makes its own batches of them

/** @param {import("./demo/options.mjs").DemoOptions} options */
async function demo(options) {
  const begin = performance.now();
  const { BertCnn } = await import("../dist/index.js");
  const directory = options.model ?? (await asset("minilm"));
  const file = options.data ?? path.join(await asset("ratings"), RATINGS_FILE);

  const random = randomNumbers(options.seed);
  const { train, heldOut } = split(await readRatings(file), options.limit, random);
  if (heldOut.length < 2) {
    throw new Error(`${file}: expected at least 10 rated sentences, so that 2 can be held out`);
  }
  console.log(`Encoder: ${directory}\nRatings: ${file}`);
  console.log(`${train.length} sentences to train on, ${heldOut.length} held out\n`);

  const model = await BertCnn.fromPretrained(directory, {
    variant: "frozen",
    problemType: "regression",
    labels: ["rating"],
    seed: options.seed,
  });
  await trainOn(model, train, random, options);
  const measured = await measure(model, heldOut);
  await showSentences(model);
  const equal = await saveAndReload(BertCnn, model, options.out);
  await model.dispose();

  const seconds = (performance.now() - begin) / 1000;
  console.log(`\nThe whole demo took ${Math.round(seconds)} s.`);
  if (options.json !== undefined) {
    const results = { ...measured, trained: train.length, reloadedLogitsEqual: equal, seconds };
    await writeFile(options.json, `${JSON.stringify(results, null, 2)}\n`);
  }
  if (!equal)
    throw new Error(
      "The model that was loaded again predicts other logits than the one that was saved",
    );
}

/** @param {"minilm" | "ratings"} name */
async function asset(name) {
  const assets = await import("./assets.mjs");
  return assets[name]();
}

/** Trains with AdamW on the mean squared error; the encoder is frozen, so only the head learns. */
async function trainOn(model, train, random, { epochs, batch, learningRate }) {
  model.configureTraining({ headLearningRate: learningRate });
  for (let epoch = 1; epoch <= epochs; ++epoch) {
    const progress = new Progress(`epoch ${epoch}/${epochs}`, train.length);
    const order = shuffled(train, random);
    let squares = 0;
    for (let start = 0; start < order.length; start += batch) {
      const rows = order.slice(start, start + batch);
      const { loss } = await model.trainStep({
        texts: rows.map(({ text }) => text),
        labels: Float32Array.from(rows, ({ rating }) => rating),
      });
      squares += loss * rows.length;
      progress.advance(rows.length, `loss ${(squares / (start + rows.length)).toFixed(3)}`);
    }
  }
}

/** Compares predictions with the ratings of sentences that the training never saw. */
async function measure(model, heldOut) {
  const progress = new Progress("held out ", heldOut.length);
  const predicted = [];
  for (let start = 0; start < heldOut.length; start += PREDICT_ROWS) {
    const texts = heldOut.slice(start, start + PREDICT_ROWS).map(({ text }) => text);
    predicted.push(...(await model.predict(texts)).logits.data);
    progress.advance(texts.length);
  }
  const rated = heldOut.map(({ rating }) => rating);
  const measured = {
    heldOut: heldOut.length,
    correlation: correlation(predicted, rated),
    signAccuracy: signAccuracy(predicted, rated),
  };
  console.log(`\nCorrelation with the human ratings: ${measured.correlation.toFixed(3)}`);
  console.log(`Same sign as the human ratings: ${(100 * measured.signAccuracy).toFixed(1)} %\n`);
  return measured;
}

/** The score of a regression's one label is the predicted rating; its sign is the verdict. */
async function showSentences(model) {
  for (const [row, [{ score }]] of (await model.classify(SENTENCES)).entries()) {
    const rating = `${score < 0 ? "-" : "+"}${Math.abs(score).toFixed(2)}`;
    console.log(`${rating}  ${score > 0 ? "positive" : "negative"}  ${SENTENCES[row]}`);
  }
}

/** Whether the logits survive saving and loading, bit by bit: of texts alone, since workers that divide a
 * call round by who takes which text. */
async function saveAndReload(BertCnn, model, out) {
  const scratch =
    out === undefined ? await mkdtemp(path.join(tmpdir(), "bertcnn-demo-")) : undefined;
  const directory = out ?? path.join(scratch, "model");
  try {
    await model.savePretrained(directory);
    const again = await BertCnn.fromPretrained(directory);
    let equal = true;
    for (const sentence of SENTENCES) {
      const [before, after] = [await model.predict([sentence]), await again.predict([sentence])];
      equal &&= Object.is(before.logits.data[0], after.logits.data[0]);
    }
    await again.dispose();
    console.log(
      `\nSaved to ${directory} and loaded again: logits ${equal ? "are equal" : "DIFFER"}`,
    );
    return equal;
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) console.log(USAGE);
  else await demo(options);
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
