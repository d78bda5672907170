// A process that ends in the middle of its work: ending.mjs TASK, where the task is JSON. It writes a line when the work
// has begun, and one right before it ends, with what was under way then.
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { BertCnn } from "../../dist/index.js";

const task = JSON.parse(process.argv[2]);
const TEXTS = Array.from({ length: 48 }, (_, i) => `the movie was ${"very ".repeat(i % 20)}good`);
const BATCH = { texts: TEXTS.slice(0, 12), labels: TEXTS.slice(0, 12).map((_, i) => i % 2) };
const OPTIONS = { labels: ["bad", "good"], seed: 1, threads: 1 };

let model = null;
let underWay = 0;
let ending = false;
const controller = new AbortController();
const load = (source, options) =>
  BertCnn.fromPretrained(source, { ...OPTIONS, variant: "frozen", ...options });

/** What is done over and over, several times at once. */
const WORKS = {
  predict: { at: 3, call: () => model.predict(TEXTS) },
  train: { at: 2, call: () => model.trainStep(BATCH) },
  load: {
    at: 1,
    call: async () => (await load(task.encoder, { signal: controller.signal })).dispose(),
  },
  download: {
    at: 1,
    call: (i) => {
      process.env.HF_HUB_CACHE = `${task.scratch}/${i}`;
      return load("org/tiny", { signal: controller.signal });
    },
  },
};

async function keepDoing({ call }) {
  for (let i = 0; !ending; i++) {
    underWay++;
    try {
      await call(i);
    } catch (error) {
      if (!ending) throw error;
    } finally {
      underWay--;
    }
  }
}

if (task.work === "predict" || task.work === "train") {
  model = await load(task.encoder, { variant: task.work === "train" ? "fine-tune" : "frozen" });
  await (task.work === "train" ? model.configureTraining({}) : model.predict("a"));
}
writeSync(1, "begins\n");
for (let i = 0; i < WORKS[task.work].at; i++) void keepDoing(WORKS[task.work]);
await sleep(task.moment);

ending = true;
writeSync(1, `ends ${String(underWay)}\n`);
if (task.stop) {
  controller.abort(new Error("enough"));
  void model?.dispose();
}
if (task.end === "exit") process.exit(3);
if (task.end === "uncaught") {
  setImmediate(() => {
    throw new Error("nobody catches this");
  });
}
if (task.end === "SIGTERM") process.kill(process.pid, "SIGTERM");
// "nothing left": what is under way comes to its end, and nothing keeps the process.
