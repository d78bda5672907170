// One training run for `npm run test:resume`, which kills it: `node train.mjs FOLDER MARKS [RESUME]`. MARKS is a file that
// gets a letter when a step or a checkpoint begins (s, c) and when it is done (S, C).
import { openSync, writeSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { BertCnn, Dataset } from "../../dist/index.js";

const MODEL = fileURLToPath(new URL("../../test/fixtures/models/tiny-bert", import.meta.url));
const WORDS = ["the", "movie", "was", "not", "very", "good", "bad", "great", "awful", "plot"];

/** Texts of mixed lengths; a third of them is said to be good. */
function examples(count) {
  return Array.from({ length: count }, (_, row) => ({
    text: Array.from(
      { length: 3 + ((row * 7) % 23) },
      (_, i) => WORDS[(row * 3 + i * i) % 10],
    ).join(" "),
    label: row % 3 === 0 ? "good" : "bad",
  }));
}

const [folder, marksFile, resume] = process.argv.slice(2);
const marks = openSync(marksFile, "a");
const mark = (letter) => writeSync(marks, letter);

/** Has a method mark its beginning and its end. */
function marking(model, name, begin, end) {
  const method = model[name].bind(model);
  model[name] = async (...args) => {
    mark(begin);
    const result = await method(...args);
    mark(end);
    return result;
  };
}

const model = await BertCnn.fromPretrained(MODEL, {
  variant: "fine-tune",
  labels: ["bad", "good"],
  seed: 11,
  device: "cpu",
  threads: 2,
});
marking(model, "trainStep", "s", "S");
marking(model, "saveTrainingState", "c", "");
const { train, test } = await Dataset.from(examples(600)).split({ testSize: 0.2, seed: 1 });
await model.fit(train, {
  epochs: 4,
  batchSize: 8,
  gradientAccumulationSteps: 2,
  learningRate: 1e-3,
  schedule: "linear",
  warmupRatio: 0.1,
  freezeByEpoch: ["encoder", 1, "none"],
  evalDataset: test,
  evalSteps: 12,
  outputDir: folder,
  saveSteps: 5,
  saveTotalLimit: 3,
  resumeFromCheckpoint: resume === "resume",
  report: false,
  progress: false,
  onCheckpoint: () => mark("C"),
});
await model.dispose();
