// Models that are dropped: collection.mjs TASK, run with --expose-gc. Prints a JSON line of what was collected. With
// `encoder`, and without --expose-gc: how many large models there were at once, in memory, before V8 collected them
// by itself, since it was told how much hangs on them.
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { BertCnn } from "../../dist/index.js";

const { directory, encoder } = JSON.parse(process.argv[2]);
const MODELS = 20;
const OPTIONS = { labels: ["bad", "good"], variant: "frozen", seed: 1, threads: 1 };

const threads = () => readdirSync("/proc/self/task").length;
const load = () => BertCnn.fromPretrained(encoder ?? directory, OPTIONS);
let collected = 0;
const registry = new FinalizationRegistry(() => collected++);

async function drop() {
  const model = await load();
  registry.register(model, null);
  await model.predict("good");
  void model.predict("a call that nobody waits for");
}

if (encoder) {
  const before = process.memoryUsage.rss();
  for (let i = 0; i < MODELS; i++) await drop();
  const { parameterCount } = await load();
  const most = process.resourceUsage().maxRSS * 1024 - before;
  console.log(JSON.stringify({ models: MODELS, atOnce: most / (parameterCount * 4) }));
  process.exit(0);
}

const first = await load();
await first.predict("good"); // what is set up at first use is there
await first.dispose();
const before = threads();
for (let i = 0; i < MODELS; i++) await drop();
for (let i = 0; i < 500 && collected < MODELS; i++) {
  globalThis.gc();
  await sleep(10);
}
await sleep(100); // for the last engine's threads
console.log(JSON.stringify({ models: MODELS, collected, threads: threads() - before }));
