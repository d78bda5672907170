// Threads and realms of one process: threads.mjs TASK, where the task is JSON. Prints a JSON line of what was seen.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

import { BertCnn } from "../../dist/index.js";
import { randomNumbers } from "../demo/ratings.mjs";

const SELF = fileURLToPath(import.meta.url);
const OPTIONS = { labels: ["bad", "good"], variant: "frozen", seed: 1, threads: 1 };
const TEXTS = ["the movie was good", "bad"];

const load = (directory) => BertCnn.fromPretrained(directory, OPTIONS);
const numbers = async (model) => Array.from((await model.predict(TEXTS)).logits.data);

/** In a worker: predicts until it is terminated. A token: the model that the main thread has opened. */
async function predictOnAndOn({ directory, token }) {
  const model = token ? await BertCnn.fromShared(token) : await load(directory);
  parentPort.postMessage({ numbers: await numbers(model) });
  for (;;) {
    const pending = Promise.all([model.predict(TEXTS), model.predict(TEXTS)]);
    parentPort.postMessage("predicting");
    await pending;
  }
}

function start(data) {
  const worker = new Worker(SELF, { workerData: data });
  const failed = new Promise((_, reject) => worker.on("error", reject));
  failed.catch(() => {});
  const first = new Promise((resolve) => worker.once("message", resolve));
  return { worker, first: Promise.race([first, failed]) };
}

/** Terminates workers in the middle: while they load, and while they predict. */
async function terminate(directory, times, random) {
  const shared = await load(directory);
  const expected = await numbers(shared);
  const token = shared.share();
  let [loading, predicting] = [0, 0];
  for (let i = 0; i < times; i++) {
    const { worker, first } = start(i % 2 === 0 ? { directory } : { token });
    if (i % 3 === 0) {
      let loaded = false;
      void first.then(() => (loaded = true));
      await sleep(random() * 60);
      if (!loaded) loading++;
    } else {
      const { numbers: seen } = await first;
      assert.deepEqual(seen, expected);
      await sleep(random() * 4);
      predicting++;
    }
    await worker.terminate();
    if (i % 50 === 0) assert.deepEqual(await numbers(shared), expected);
  }
  assert.deepEqual(await numbers(shared), expected);
  await shared.dispose();
  return { terminated: times, loading, predicting };
}

async function together(directory, count) {
  const workers = Array.from({ length: count }, () => start({ directory }));
  const all = await Promise.all(workers.map(({ first }) => first));
  for (const { numbers: seen } of all) assert.deepEqual(seen, all[0].numbers);
  await Promise.all(workers.map(({ worker }) => worker.terminate()));
  return { workers: count };
}

/** The module as other realms of this thread load it, with a `require` of their own. */
async function realms(directory, count) {
  const expected = await numbers(await load(directory));
  for (let i = 0; i < count; i++) {
    const require = createRequire(SELF);
    for (const name of Object.keys(require.cache)) {
      if (name.includes("/dist/")) delete require.cache[name];
    }
    const context = vm.createContext({ require, options: OPTIONS, directory, texts: TEXTS });
    const program = `
      const { BertCnn } = require("../../dist/index.cjs");
      BertCnn.fromPretrained(directory, options)
        .then((model) => model.predict(texts))
        .then(({ logits }) => Array.from(logits.data))`;
    assert.deepEqual(Array.from(await vm.runInContext(program, context)), expected);
  }
  return { realms: count };
}

if (isMainThread) {
  const { directory, terminated, seed } = JSON.parse(process.argv[2]);
  const results = {
    ...(await terminate(directory, terminated, randomNumbers(seed))),
    ...(await together(directory, 4)),
    ...(await realms(directory, 10)),
  };
  console.log(JSON.stringify(results));
} else {
  await predictOnAndOn(workerData);
}
