// Do timers keep firing while predictions or training steps run? Prints the event loop's delay in this process, with
// 1,000 predictions of the MiniLM encoder under way, then while it is fine-tuned, each beside that of an idle process,
// and fails where the two differ by more than a few milliseconds: `npm run check:event-loop`.
import { spawn } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const PREDICTIONS = 1000;
const IN_FLIGHT = 50; // calls waiting at a time, as under a busy server
const STEPS = 40;
const BATCH = 16; // texts of a step
// A binding that computes on this thread would block it for whole batches. A step's threads take every processor for
// long, and this thread waits for its share.
const LIMIT_MS = { predictions: 5, steps: 10 };
const WORDS = "a film that takes its time and earns every minute of it with wit and grace".split(
  " ",
);

const { values } = parseArgs({ options: { idle: { type: "string" }, model: { type: "string" } } });
if (values.idle !== undefined) {
  console.log(JSON.stringify(await delays(sleep(Number(values.idle)))));
} else {
  await compare(values.model);
}

/** @param {string | undefined} directory */
async function compare(directory) {
  const { minilm } = await import("./assets.mjs");
  const source = directory ?? (await minilm());
  const predictions = `${PREDICTIONS} predictions, ${IN_FLIGHT} in flight at a time`;
  await compareWork(predictions, LIMIT_MS.predictions, source, "frozen", predictAll);
  const steps = `${STEPS} training steps of ${BATCH} texts`;
  await compareWork(steps, LIMIT_MS.steps, source, "fine-tune", trainAll);
}

/**
 * @param {string} title
 * @param {number} limit milliseconds
 * @param {string} source
 * @param {"frozen" | "fine-tune"} variant
 * @param {(model: import("../dist/index.js").BertCnn) => Promise<void>} work
 */
async function compareWork(title, limit, source, variant, work) {
  const { BertCnn } = await import("../dist/index.js");
  const model = await BertCnn.fromPretrained(source, { variant, numLabels: 2, seed: 0 });
  await model.predict(text(0)); // the first call also loads pages of the weights
  model.configureTraining({});

  const begin = performance.now();
  const busy = await delays(work(model));
  const duration = performance.now() - begin;
  await model.dispose();
  const idle = await idleProcess(duration);

  console.log(`${title}, in ${(duration / 1000).toFixed(1)} s`);
  console.log("event-loop delay, ms        p50      p99      max   timers fired");
  printRow("while they run", busy);
  printRow("an idle process", idle);

  const difference = busy.p99 - idle.p99;
  const within = difference <= limit;
  console.log(
    `p99 is ${difference.toFixed(2)} ms above the idle one, ${within ? "within" : "beyond"} ${limit} ms`,
  );
  if (!within) process.exitCode = 1;
}

/**
 * Measures the event loop's delay until `work` is done.
 * @param {Promise<unknown>} work
 */
async function delays(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  let fired = 0;
  const timer = setInterval(() => ++fired, 1);
  histogram.enable();
  await work;
  histogram.disable();
  clearInterval(timer);
  const milliseconds = (/** @type {number} */ nanoseconds) => nanoseconds / 1e6;
  return {
    p50: milliseconds(histogram.percentile(50)),
    p99: milliseconds(histogram.percentile(99)),
    max: milliseconds(histogram.max),
    fired,
  };
}

async function predictAll(model) {
  let next = 0;
  const caller = async () => {
    while (next < PREDICTIONS) await model.predict(text(next++));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
}

/** A step after the other, as a training loop takes them. */
async function trainAll(model) {
  for (let step = 0; step < STEPS; step++) {
    const texts = Array.from({ length: BATCH }, (_, row) => text(step * BATCH + row));
    await model.trainStep({ texts, labels: texts.map((_, row) => row % 2) });
  }
}

/** Texts of 1 to 45 words, so that batches are ragged. */
function text(/** @type {number} */ index) {
  return Array.from(
    { length: 1 + ((index * 7) % 45) },
    (_, word) => WORDS[(index + word) % WORDS.length],
  ).join(" ");
}

/**
 * The same measurement in a process of its own that does nothing.
 * @param {number} duration  milliseconds
 * @returns {Promise<Awaited<ReturnType<typeof delays>>>}
 */
function idleProcess(duration) {
  const child = spawn(
    process.execPath,
    [fileURLToPath(import.meta.url), "--idle", String(duration)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) =>
      status === 0
        ? resolve(JSON.parse(output))
        : reject(new Error(`The idle process ended with ${status}`)),
    );
  });
}

function printRow(title, { p50, p99, max, fired }) {
  const columns = [p50, p99, max].map((value) => value.toFixed(2).padStart(9)).join("");
  console.log(`${title.padEnd(22)}${columns}${String(fired).padStart(15)}`);
}
