// From human ratings to a trained model and its predictions: `npm run demo`, which sets everything up first.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { signAccuracy } from "./demo/measures.mjs";
import { USAGE, readOptions } from "./demo/options.mjs";

const SENTENCES = [
  "A small miracle of a film: funny, sad and wise.",
  "Two hours of my life that I would like to have back.",
  "The actors do what they can with a script that gives them nothing.",
  "I went in without hopes and came out humming the tune.",
  "Not bad at all.",
];
const RATINGS_FILE = "movieReviewSnippets_GroundTruth.txt";
/** Lines of id, mean of the human ratings and text, between tabs. */
const RATINGS = {
  format: "tsv",
  header: false,
  labelColumn: 1,
  textColumn: 2,
  labelType: "number",
};

/** @param {import("./demo/options.mjs").DemoOptions} options */
async function demo(options) {
  const begin = performance.now();
  const { BertCnn, Dataset } = await import("../dist/index.js");
  const directory = options.model ?? (await asset("minilm"));
  const file = options.data ?? path.join(await asset("ratings"), RATINGS_FILE);

  const { train, heldOut } = await readRatings(Dataset, file, options);
  console.log(`Encoder: ${directory}\nRatings: ${file}`);
  const rows = { trained: await train.size(), heldOut: await heldOut.size() };
  console.log(`${rows.trained} sentences to train on, ${rows.heldOut} held out\n`);

  const model = await BertCnn.fromPretrained(directory, {
    variant: "frozen",
    problemType: "regression",
    labels: ["rating"],
    seed: options.seed,
  });
  // The encoder is frozen: only the head learns, and what the encoder says of a sentence is computed once.
  const { evaluation } = await model.fit(train, {
    evalDataset: heldOut,
    loadBestModelAtEnd: false, // what is held out shall not choose
    epochs: options.epochs,
    batchSize: options.batch,
    headLearningRate: options.learningRate,
    featureCache: true,
    seed: options.seed,
    progress: true,
    onEvaluate: ({ epoch, metrics }) =>
      console.log(`epoch ${epoch}: correlation ${metrics.pearson.toFixed(3)} on what is held out`),
  });
  const measured = show(evaluation, rows.heldOut);
  await showSentences(model);
  const equal = await saveAndReload(BertCnn, model, options.out);
  await model.dispose();

  const seconds = (performance.now() - begin) / 1000;
  console.log(`\nThe whole demo took ${Math.round(seconds)} s.`);
  if (options.json !== undefined) {
    const results = { ...measured, trained: rows.trained, reloadedLogitsEqual: equal, seconds };
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

/** Holds every fifth sentence out, by lot, of all or of `limit` that are drawn. */
async function readRatings(Dataset, file, { limit, seed }) {
  const all = Dataset.fromFile(file, RATINGS);
  const size = await all.size();
  if (Math.min(size, limit) < 10) {
    throw new Error(`${file}: expected at least 10 rated sentences, so that 2 can be held out`);
  }
  const drawn = limit < size ? (await all.split({ testSize: limit, seed: seed + 1 })).test : all;
  const { train, test } = await drawn.split({ testSize: 0.2, seed });
  return { train, heldOut: test };
}

function show({ metrics, logits, targets }, heldOut) {
  const measured = {
    heldOut,
    correlation: metrics.pearson,
    signAccuracy: signAccuracy(logits.data, targets),
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
