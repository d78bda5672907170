/**
 * What one does with a model, under whatever runtime this is: use-model.mjs PACKAGE MODEL FOLDER. Predicts, trains, saves
 * and loads, cancels, predicts in a worker that is terminated; prints one line of JSON, and ends by process.exit(3)
 * while predictions are under way.
 */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const [entry, directory, folder] = isMainThread ? process.argv.slice(2) : workerData;
const { BertCnn } = await import(pathToFileURL(entry).href);
const OPTIONS = { device: "cpu", threads: 1, seed: 1 };
const TEXTS = ["a film that earns every minute", "", "dull"];
const MANY = Array.from({ length: 4000 }, (_, i) => TEXTS[i % 3].repeat(4));

const model = await BertCnn.fromPretrained(directory, OPTIONS);

if (isMainThread) {
  const logits = await logitsOf(model);
  model.configureTraining({ learningRate: 1e-3 });
  const labels = TEXTS.map((_, i) => model.labels[i % model.labels.length]);
  const batch = { texts: TEXTS, labels };
  const losses = [];
  for (let step = 0; step < 3; step++) losses.push((await model.trainStep(batch)).loss);
  const saved = path.join(folder, "saved");
  await model.savePretrained(saved);
  const again = await BertCnn.fromPretrained(saved, OPTIONS);
  const trained = await logitsOf(model);
  const same = JSON.stringify(trained) === JSON.stringify(await logitsOf(again));
  const cancelled = await cancel(again);
  await again.dispose();
  const disposed = await codeOf(() => again.predict(TEXTS));
  const worker = await terminated();
  console.log(JSON.stringify({ logits, losses, trained, same, cancelled, disposed, worker }));
  model.predict(MANY).catch(() => {});
  setTimeout(() => process.exit(3), 20);
} else {
  const logits = await logitsOf(model);
  const work = model.predict(MANY);
  parentPort.postMessage(logits);
  await work;
  parentPort.postMessage("the worker was not terminated");
}

async function logitsOf(of) {
  return [...(await of.predict(TEXTS)).logits.data];
}

async function codeOf(action) {
  try {
    await action();
    return "none";
  } catch (error) {
    return error.name === "AbortError" ? error.name : error.code;
  }
}

function cancel(of) {
  const controller = new AbortController();
  const work = codeOf(() => of.predict(MANY, { signal: controller.signal }));
  controller.abort();
  return work;
}

/** The logits of a worker that is terminated with a prediction under way. */
function terminated() {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: [entry, directory, folder] });
    worker.once("error", reject);
    worker.once("message", (message) => worker.terminate().then(() => resolve(message), reject));
  });
}
