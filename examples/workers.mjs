// One model for several threads: node examples/workers.mjs DIRECTORY FILE [THREADS]
// Classifies every line of a file. Each thread reads and counts its own lines; the weights are in memory once, and
// the lines of all threads are computed together.
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

import { BertCnn } from "bertcnn";

if (isMainThread) {
  const [directory, file, threads = "2"] = process.argv.slice(2);
  const model = await BertCnn.fromPretrained(directory);
  const workers = Array.from({ length: Number(threads) }, (_, index) => {
    const data = { token: model.share(), file, index, threads: Number(threads) };
    return new Worker(new URL(import.meta.url), { workerData: data });
  });
  const parts = await Promise.all(workers.map((worker) => once(worker, "message")));
  for (const label of model.labels) {
    console.log(
      label,
      parts.reduce((sum, [counts]) => sum + (counts[label] ?? 0), 0),
    );
  }
  await model.dispose();
} else {
  const { token, file, index, threads } = workerData;
  const model = BertCnn.fromShared(token);
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  const own = lines.filter((_, line) => line % threads === index);
  const counts = {};
  for (const [{ label }] of await model.classify(own)) counts[label] = (counts[label] ?? 0) + 1;
  await model.dispose(); // this thread's handle; the model goes on
  parentPort.postMessage(counts);
}
