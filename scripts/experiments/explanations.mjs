// Fits a model, saves it and explains the tested texts; prints JSON: explanations.mjs TASK
import { readFileSync } from "node:fs";
import path from "node:path";

import { BertCnn, Dataset } from "../../dist/index.js";

const task = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { problemType, labels, maxLength, threads, seed, dtype } = task;
const { epochs, batchSize, learningRate, headLearningRate } = task;

const model = await BertCnn.fromPretrained(task.encoder, {
  ...{ variant: "max-over-time", device: "cpu", problemType, labels, maxLength, threads, seed },
});
await model.fit(Dataset.fromFile(task.train), {
  ...{ seed, dtype, epochs, batchSize, learningRate, headLearningRate, progress: false },
});
const directory = path.join(task.scratch, "fitted");
await model.savePretrained(directory);
const texts = [];
for await (const { text } of Dataset.fromFile(task.test)) texts.push(text);
const explanations = await model.explain(texts.slice(0, task.explained));
await model.dispose();
const rows = explanations.map(({ text, logit, tokens }) => ({
  ...{ text, logit, contributions: tokens.map(({ contribution }) => contribution) },
}));
console.log(JSON.stringify({ directory, rows }));
