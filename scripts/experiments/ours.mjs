// Trains with `fit`, from the files to the evaluation, and prints JSON: ours.mjs TASK
import { readFileSync } from "node:fs";

import { BertCnn, Dataset } from "../../dist/index.js";

const task = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { problemType, labels, maxLength, threads, seed, dtype } = task;

const [train, test] = [task.train, task.test].map((file) => Dataset.fromFile(file));
const model = await BertCnn.fromPretrained(task.encoder, {
  ...{ variant: "max-over-time", device: "cpu", problemType, labels, maxLength, threads, seed },
  ...task.load,
});
if (task.pretrain) {
  const texts = Dataset.fromFile(task.unlabelled, { labelColumn: null });
  await model.pretrain(texts, { ...task.pretrain, dtype, seed, progress: false });
}
const { evaluation } = await model.fit(train, {
  ...{ evalDataset: test, loadBestModelAtEnd: false, seed, dtype },
  ...{ epochs: task.epochs, batchSize: task.batchSize },
  ...{ learningRate: task.learningRate, headLearningRate: task.headLearningRate },
  ...{ evalSteps: task.epochs * 1e6 }, // once, at the end
  ...task.fit,
});
const { metrics } = evaluation;
await model.dispose();
console.log(JSON.stringify({ score: metrics.pearson ?? metrics.accuracy, loss: metrics.loss }));
