// One of soak.mjs's runs: run.mjs TASK, where the task is JSON, with --expose-gc. Prints a JSON line of what was seen.
import { readdirSync } from "node:fs";

import { BertCnn } from "../../dist/index.js";

const { name, amount, directory, planted } = JSON.parse(process.argv[2]);
const OPTIONS = { labels: ["bad", "good"], variant: "frozen", seed: 1, threads: 1 };
const TEXTS = Array.from({ length: 64 }, (_, i) => `the movie was ${"very ".repeat(i % 9)}good`);
const SAMPLES = 40; // of the resident memory, over a run
const QUEUE = 512; // rows that may wait under overload
const EACH = 16; // rows of a call under overload
const AT_ONCE = 128; // predictions under way
const LEAK = { overload: 1 << 12, cycles: 1 << 20, predictions: 1 << 10 }; // bytes each time

const load = (options) => BertCnn.fromPretrained(directory, { ...OPTIONS, ...options });
const resident = [];
const leaked = [];

function sample() {
  globalThis.gc();
  resident.push(process.memoryUsage.rss() / 2 ** 20);
}

function leak() {
  if (planted) leaked.push(new Uint8Array(LEAK[name]).fill(1));
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function overload(minutes) {
  const model = await load({ maxQueueRows: QUEUE });
  const batch = TEXTS.slice(0, EACH);
  const expected = Array.from((await model.predict(batch)).logits.data);
  const counts = { offered: 0, completed: 0, refused: 0, other: 0, twice: 0, wrong: 0 };
  const capacity = await measureCapacity(model, batch);
  const [thirds, slow] = [[0, 0, 0], { refusal: 0 }];
  const length = minutes * 60_000;
  const begin = performance.now();
  const offer = () => {
    counts.offered++;
    const asked = performance.now();
    const third = Math.min(2, Math.floor(((asked - begin) / length) * 3));
    const sampledBefore = resident.length; // that collects garbage, for which all must wait
    let settled = 0;
    const once = () => {
      leak();
      if (++settled > 1) counts.twice++;
    };
    return model.predict(batch).then(
      ({ logits }) => {
        once();
        counts.completed++;
        thirds[third]++;
        if (logits.data.some((value, i) => Math.abs(value - expected[i]) > 1e-5)) counts.wrong++;
      },
      (error) => {
        once();
        counts[error.code === "ERR_QUEUE_FULL" ? "refused" : "other"]++;
        if (resident.length > sampledBefore) return;
        slow.refusal = Math.max(slow.refusal, performance.now() - asked);
      },
    );
  };
  const under = new Set();
  let sampled = 0;
  for (let now = begin; now - begin < length; now = performance.now()) {
    // Ten times what could be done meanwhile, in small portions, so that the event loop turns.
    const due = Math.min(((now - begin) / 1000) * capacity * 10, counts.offered + 100);
    while (counts.offered < due) {
      const call = offer();
      under.add(call);
      void call.finally(() => under.delete(call));
    }
    if ((now - begin) / length > sampled / SAMPLES) ((sampled = resident.length + 1), sample());
    await turn();
  }
  await Promise.all(under);
  await model.dispose();
  const seconds = (performance.now() - begin) / 1000;
  return {
    ...counts,
    minutes,
    times: counts.offered / (capacity * seconds),
    slowest: slow.refusal,
    steady: thirds[2] / thirds[1],
  };
}

/** Calls a second where nothing is refused. */
async function measureCapacity(model, batch) {
  let done = 0;
  const begin = performance.now();
  const worker = async () => {
    while (performance.now() - begin < 2000) {
      await model.predict(batch);
      done++;
    }
  };
  await Promise.all(Array.from({ length: QUEUE / EACH }, worker));
  return done / ((performance.now() - begin) / 1000);
}

async function cycles(count) {
  const threads = () => readdirSync("/proc/self/task").length;
  let before = 0;
  for (let i = 0; i < count; i++) {
    const model = await load();
    await model.predict(TEXTS);
    if (i % 4 === 0) {
      await model.configureTraining({});
      await model.trainStep({ texts: TEXTS.slice(0, 2), labels: ["good", "bad"] });
    }
    await model.dispose();
    leak();
    if (i === 10) before = threads();
    if (i % Math.ceil(count / SAMPLES) === 0) sample();
  }
  return { cycles: count, threads: Math.max(0, threads() - before) };
}

async function predictions(count) {
  const model = await load();
  let [asked, sampled] = [0, 0];
  const worker = async () => {
    while (asked < count) {
      const text = TEXTS[asked++ % TEXTS.length];
      await model.predict(text);
      leak();
      if (asked / count > sampled / SAMPLES) (sampled++, sample());
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await model.dispose();
  return { predictions: count };
}

const seen = await { overload, cycles, predictions }[name](amount);
console.log(JSON.stringify({ ...seen, resident }));
