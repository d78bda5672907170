// Trains a classifier: node examples/train.mjs DIRECTORY DATA OUT [EPOCHS]
// DATA has a line for each example: label, tab, text.
import { readFile } from "node:fs/promises";

import { BertCnn } from "bertcnn";

const BATCH = 16;

const [directory, data, out, epochs = "3"] = process.argv.slice(2);
const examples = (await readFile(data, "utf8"))
  .split("\n")
  .filter((line) => line.includes("\t"))
  .map((line) => ({ label: line.split("\t", 1)[0], text: line.slice(line.indexOf("\t") + 1) }));

const model = await BertCnn.fromPretrained(directory, {
  variant: "frozen",
  labels: [...new Set(examples.map(({ label }) => label))].sort(),
  seed: 1,
});
model.configureTraining({ headLearningRate: 1e-3 });
for (let epoch = 1; epoch <= Number(epochs); epoch++) {
  shuffle(examples);
  let sum = 0;
  for (let start = 0; start < examples.length; start += BATCH) {
    const batch = examples.slice(start, start + BATCH);
    const { loss } = await model.trainStep({
      texts: batch.map(({ text }) => text),
      labels: batch.map(({ label }) => label),
    });
    sum += loss * batch.length;
  }
  console.log(`epoch ${epoch}: mean loss ${(sum / examples.length).toFixed(4)}`);
}
await model.savePretrained(out);
await model.dispose();

/** Fisher and Yates' shuffle. */
function shuffle(array) {
  for (let i = array.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [array[i], array[j]] = [array[j], array[i]];
  }
}
